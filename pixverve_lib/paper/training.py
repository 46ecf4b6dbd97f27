"""Constants of Sec. 3.2, 4.1 and App. E of the paper: scales, training and inference of the three schemes, one a line.

Sides are in pixels of a square picture. Epochs are passes over the 95,735 training pictures. Not printed anywhere:
batch size, optimiser, weight decay, warm-up, EMA, timestep sampling and shift, sampling steps and guidance.
"""

# Scales
SCALE_1K = 1024  # not in paper: choice, the base models' own scale, from which "direct extrapolation" starts
PROGRESSION = ("4K", "8K", "10K")  # Sec. 3.2: "three graduated resolution tiers"; who went how far is in E.1 (M6)
SIDES = {"4K": 4096, "8K": 8192, "10K": 10240}  # Sec. 4.1: "4096 \times 4096", "8192 \times 8192", "10240 \times 10240"
BASE_MODEL = "FLUX.2-klein-base-4B"  # Sec. 3.2: Schemes I and II
TRAINING_PICTURES = 95_735  # Tab. 2: PixVerve-95K without its bench

# Scheme I: full-attention fine-tuning
FULL_RATE = 1e-5  # Sec. 4.1: "fixed at  $1 \times 10^{-5}$  across all resolution tiers"
LORA_RATE = 1e-4  # Sec. 4.1: "a learning rate of  $1 \times 10^{-4}$"
LORA_RANK = 32  # Sec. 4.1: "set the LoRA rank to 32"; alpha and targets not in paper
FULL_EPOCHS_4K = 6  # App. E.1, Tab. A1
FULL_EPOCHS_8K = 0.25  # App. E.1, Tab. A1: "further fine-tuned for 0.25 epochs at 8K resolution"
FULL_EPOCHS_8K_STARTS_AFTER = 3  # App. E.1: 8K "is initialized from the 4K checkpoint trained for 3 epochs" (M13)
LORA_EPOCHS_4K = 3  # App. E.1, Tab. A1; each LoRA is "independently fine-tuned from the same base model"
LORA_EPOCHS_8K = 0.25  # App. E.1, Tab. A1
LORA_EPOCHS_10K = 0.32  # App. E.1, Tab. A1

# Scheme II: window-attention retrofitting
WINDOW_RATE = 5e-5  # Sec. 4.1: "Unless otherwise specified, the learning rate is uniformly set to"; stands in III (M17)
WINDOW_EPOCHS_4K = 3  # App. E.1, Tab. A1
WINDOW_ASPECTS = ("1:1", "1:2", "2:1", "1:8", "8:1")  # Sec. 4.1: "window aspect ratios of 1:1, 1:2, 2:1, 1:8, and 8:1"

# Scheme III: patch-based pixel diffusion
PIXEL_RATE = 5e-5  # Sec. 4.1: "the learning rate is uniformly set to  $5 \times 10^{-5}$"
TOKEN_PATCH_4K = 64  # Sec. 4.1: "64, 128, and 320 for 4K, 8K, and 10K resolution"
TOKEN_PATCH_8K = 128  # Sec. 4.1: "64, 128, and 320 for 4K, 8K, and 10K resolution"
TOKEN_PATCH_10K = 320  # Sec. 4.1: "64, 128, and 320 for 4K, 8K, and 10K resolution"; 160 in the release (M10)
TOKEN_PATCH_10K_RELEASED = 160  # not in paper: the released code, 64 x 64 tokens as at 4K and 8K (M10)
PIXEL_EPOCHS_4K = 4.3  # App. E.1, Tab. A1
PIXEL_EPOCHS_8K = 2.9  # App. E.1, Tab. A1: from the 4K checkpoint
PIXEL_EPOCHS_10K = 1.7  # App. E.1, Tab. A1
PIXEL_EPOCHS_10K_STARTS_AFTER = 1  # App. E.1: "initialized from the 8K checkpoint after 1 epoch of training" (M13)
PIXEL_CARD_GB = 96  # Sec. 4.1: "training on a single 96 GB GPU card"

# Inference
FULL_ATTENTION_GPUS = 8  # App. E.2, Tab. A2: Schemes I and II, devices jointly used for one picture
PIXEL_GPUS = 1  # App. E.2, Tab. A2: Scheme III
