"""What a stranger would write, run by test_full_attention.py in a process of its own: FOLDER LORA OUT"""
import sys

import numpy as np
import torch
from diffusers import Flux2KleinPipeline

from pixverve_lib.models.nano_vae import NanoVAE

folder, lora, out = sys.argv[1:]
torch.set_num_threads(1)
pipeline = Flux2KleinPipeline.from_pretrained(folder, vae=NanoVAE.from_pretrained(f"{folder}/vae"))
pipeline.load_lora_weights(lora, weight_name="pytorch_lora_weights.safetensors")
picture = pipeline(
    prompt=["red circle centre, dark tiles"], height=64, width=64, num_inference_steps=2, guidance_scale=3.0,
    generator=torch.Generator().manual_seed(0), output_type="np", max_sequence_length=24,
    text_encoder_out_layers=(1, 2, 4),
).images[0]
np.save(out, picture)
