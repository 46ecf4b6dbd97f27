"""Constants of the three related papers, one a line, each with its place: what a preset, a protocol or a figure needs.

"Diffusion-4K" is the paper of Aesthetic-4K, "UltraFlux Supp." the supplement of UltraFlux (its main text is not here),
"URAE" Ultra-Resolution Adaptation with Ease. Sides are in pixels of a square picture, sizes are (height, width) though
UltraFlux prints width first, guidance is the classifier-free scale, fractions are in [0, 1]. UltraFlux's filters are in
`constants.py`, its 15 buckets in `tables/ultraflux_tab_3.csv`. What is printed twice and differs (M31) has two lines.
"""

# Diffusion-4K: the data sets
D4K_TRAIN_PICTURES = 12_015  # Diffusion-4K Sec. 3.1: Aesthetic-Train
D4K_TRAIN_V2_PICTURES = 105_288  # Diffusion-4K Sec. 3.1: Aesthetic-Train-V2
D4K_LAION_PICTURES = 625_000  # Diffusion-4K Sec. 3.2: "625,000 image-text pairs" that Aesthetic-Eval is taken from
D4K_LAION_AESTHETICS_MIN = 6.5  # Diffusion-4K Sec. 3.2: "predicted aesthetic scores of 6.5 or higher"; 6.5 is kept
D4K_EVAL_SIDE = 2048  # Diffusion-4K Sec. 3.2: the "shorter side of each image exceeds 2048 pixels", strict
D4K_EVAL_PICTURES = 2_781  # Diffusion-4K Sec. 3.2: Aesthetic-Eval
D4K_EVAL_4K_SIDE = 4096  # Diffusion-4K Sec. 3.2: "short side exceeding 4096 pixels", strict
D4K_EVAL_4K_PICTURES = 195  # Diffusion-4K Sec. 3.2: Aesthetic-Eval@4096

# Diffusion-4K: SC-VAE
D4K_TEACHER_FACTOR = 8  # Diffusion-4K Sec. 4.1: the original VAE, pixels a latent
D4K_VAE_FACTOR = 16  # Diffusion-4K Sec. 4.1: the partitioned VAE and SC-VAE
D4K_TOKEN_PATCH = 2  # Diffusion-4K Sec. 6.1: "a default patch size of P = 2 for DiTs", latents a side of a token
D4K_DILATION = 2  # Diffusion-4K Sec. 4.1: "a dilation rate of 2 in the first convolutional layer"
D4K_VAE_DATA = "SA-1B"  # Diffusion-4K Sec. 6.1
D4K_VAE_EPOCHS = 1  # Diffusion-4K Sec. 6.1: "for one epoch", with EMA weights whose decay is not printed
D4K_VAE_BATCH = 256  # Diffusion-4K Sec. 6.1: "a batch size of 256"
D4K_VAE_SIDE = 512  # Diffusion-4K Sec. 6.1: resized, then cropped at random; to what it is resized is not printed
D4K_VAE_RATE = 1e-5  # Diffusion-4K Sec. 6.1: constant, for the decoder and the discriminator; optimiser not printed
D4K_VAE_WEIGHT_DECAY = 1e-4  # Diffusion-4K Sec. 6.1
D4K_LPIPS_WEIGHT = 0.1  # Diffusion-4K Sec. 6.1: lambda_lpips of Eq. 4
D4K_ADVERSARIAL_WEIGHT = 0.05  # Diffusion-4K Sec. 6.1: lambda_adv of Eq. 4, before the adaptive term
D4K_CONSISTENCY_WEIGHT = 1.0  # Diffusion-4K Sec. 6.1: lambda_sc of Eq. 4

# Diffusion-4K: wavelet-based latent fine-tuning
D4K_WLF_SIDE = 4096  # Diffusion-4K Sec. 6.1: "resized to a shorter dimension of 4096", cropped at random
D4K_WLF_OPTIMISER = "AdamW"  # Diffusion-4K Sec. 6.1
D4K_WLF_RATE = 1e-6  # Diffusion-4K Sec. 6.1: constant
D4K_WLF_WEIGHT_DECAY = 1e-4  # Diffusion-4K Sec. 6.1
D4K_WLF_BATCH = 32  # Diffusion-4K Sec. 6.1: "mixed-precision training with a batch size of 32"
D4K_WLF_STEPS = 50_000  # Diffusion-4K Sec. 6.1: on Aesthetic-Train-V2
D4K_WLF_STEPS_TRAIN = 20_000  # Diffusion-4K Sec. 6.3: on Aesthetic-Train, "for 20K and 50K steps, respectively"
D4K_WLF_GUIDANCE = 3.5  # Diffusion-4K Sec. 6.1: what the distilled Flux.1-dev is told in training

# Diffusion-4K: evaluation
D4K_GUIDANCE = 7.0  # Diffusion-4K Sec. 6.1: "a guidance scale of 7.0"
D4K_STEPS_SD3 = 28  # Diffusion-4K Sec. 6.1: "28 sampling steps for SD3-2B" of an Euler solver
D4K_STEPS_FLUX = 50  # Diffusion-4K Sec. 6.1: "50 sampling steps for Flux-12B"
D4K_JPEG_QUALITY = 95  # Diffusion-4K Sec. 5.1: Compression Ratio; encoder and chroma sub-sampling not printed
D4K_GLCM_PATCH = 64  # Diffusion-4K Sec. 5.1
D4K_GLCM_LEVELS = 64  # Diffusion-4K Sec. 5.1: "64 gray levels"
D4K_GLCM_DISTANCES = (1, 2, 3, 4)  # Diffusion-4K Sec. 5.1
D4K_GLCM_DEGREES = (0, 45, 90, 135)  # Diffusion-4K Sec. 5.1
D4K_RATERS = 5  # Diffusion-4K Sec. 5.1: "five participants"
D4K_RATING_LOW = 1  # Diffusion-4K Sec. 5.1: "on a scale from 1 to 10 based on visual details"
D4K_RATING_HIGH = 10  # Diffusion-4K Sec. 5.1: "on a scale from 1 to 10 based on visual details"
D4K_PREFERENCE_PEOPLE = 10  # Diffusion-4K Sec. 6.2: "Ten participants"
D4K_PREFERENCE_PROMPTS = 112  # Diffusion-4K Sec. 6.2: "112 text prompts"
D4K_PREFERENCE_JUDGE = "GPT-4o"  # Diffusion-4K Sec. 6.2

# UltraFlux: Resonance 2D RoPE with YaRN
ULTRAFLUX_ROPE_BASE = 10_000  # UltraFlux Supp. Tab. 3
ULTRAFLUX_NTK_FACTOR = 1.0  # UltraFlux Supp. Tab. 3: eta
ULTRAFLUX_YARN_RAMP = (1.25, 0.75)  # UltraFlux Supp. Tab. 3: (alpha, beta); orientation not printed (M43)
ULTRAFLUX_MAX_SCALE = 2.0  # UltraFlux Supp. Tab. 3: "Maximum extrapolation scale", s = L' / L of an axis
ULTRAFLUX_TRAINED_GRID = 64  # UltraFlux Supp. Fig. 2: tokens a side at training; the L of Fig. 1 is not printed (M43)
ULTRAFLUX_GRIDS = ((64, 64), (128, 64), (64, 128), (128, 32))  # UltraFlux Supp. Fig. 2: height x width in tokens

# UltraFlux: wavelets, loss, curriculum
ULTRAFLUX_LATENT_SAMPLES = 400  # UltraFlux Supp. Sec. 4: "We sample 400 images"
ULTRAFLUX_LL_SHARE = 0.874  # UltraFlux Supp. Sec. 4: LL's share of the energy
ULTRAFLUX_LL_ENERGY = 3.55  # UltraFlux Supp. Sec. 4: "mean per-band energy 3.55"
ULTRAFLUX_HIGH_SHARES = (0.035, 0.047)  # UltraFlux Supp. Sec. 4: "each high-frequency band contributes only 3.5–4.7%"
ULTRAFLUX_LH_ABOVE_HALF = 0.208  # UltraFlux Supp. Sec. 4: "in the LH band 20.8% of coefficients", above 0.5
ULTRAFLUX_LH_ABOVE_ONE = 0.032  # UltraFlux Supp. Sec. 4: "3.2% exceed"
ULTRAFLUX_LH_LARGEST = 7.2  # UltraFlux Supp. Sec. 4
ULTRAFLUX_WAVELET_LEVELS = 1  # UltraFlux Supp. Tab. 3: Haar, J
ULTRAFLUX_HUBER_MIN = 0.2  # UltraFlux Supp. Tab. 3: c_min; the rule from noise to c is not in the supplement (M43)
ULTRAFLUX_HUBER_MAX = 1.0  # UltraFlux Supp. Tab. 3: c_max
ULTRAFLUX_STAGE_1_TIMES = (0, 999)  # UltraFlux Supp. Tab. 3: "0-999"; which end is noise is not printed
ULTRAFLUX_STAGE_2_TIMES = (0, 459)  # UltraFlux Supp. Tab. 3: "0-459"
ULTRAFLUX_STAGE_2_KEEP_FRACTION = 0.05  # UltraFlux Supp. Tab. 3: "top-5%" by ArtiMuse
ULTRAFLUX_STAGE_1_STEPS = 30_000  # UltraFlux Supp. Sec. 2.2: "approximately 30K steps in the first stage"
ULTRAFLUX_STAGE_2_STEPS = 2_000  # UltraFlux Supp. Sec. 2.2: "a further 2K steps"
ULTRAFLUX_RATE = 1e-6  # UltraFlux Supp. Sec. 2.2: AdamW
ULTRAFLUX_BATCH = 64  # UltraFlux Supp. Sec. 2.2: "an effective batch size of 64"
ULTRAFLUX_SHARDING = "ZeRO-2"  # UltraFlux Supp. Sec. 2.2: "DeepSpeed ZeRO-2 (without CPU offload)"
ULTRAFLUX_GPUS = 8  # UltraFlux Supp. Sec. 2.2: H800
ULTRAFLUX_DAYS = 12  # UltraFlux Supp. Sec. 2.2: "roughly 12 days"
ULTRAFLUX_SAMPLING_STEPS = (50, 60)  # UltraFlux Supp. Sec. 10: "50–60 flow-matching steps"
ULTRAFLUX_EXAMPLE_LANDSCAPE = ((2880, 5120), (3136, 4704))  # UltraFlux Supp. Sec. 2.2; not in Tab. 3 (M30)
ULTRAFLUX_EXAMPLE_PORTRAIT = ((5120, 2880), (4704, 3136))  # UltraFlux Supp. Sec. 2.2; not in Tab. 3 (M30)
ULTRAFLUX_EXAMPLE_SQUARE = (3840, 3840)  # UltraFlux Supp. Sec. 2.2; Tab. 3 has 4096 x 4096 (M30)

# UltraFlux: post-training of the F16 VAE's decoder
ULTRAFLUX_VAE_KEEP_FRACTION = 0.5  # UltraFlux Supp. Sec. 2.2: "top 50% of images according to the flatness score"
ULTRAFLUX_VAE_SIDE = 512  # UltraFlux Supp. Tab. 3
ULTRAFLUX_VAE_BATCH = 384  # UltraFlux Supp. Tab. 3
ULTRAFLUX_VAE_RATE = 1e-5  # UltraFlux Supp. Sec. 2.2: the text's value (M31)
ULTRAFLUX_VAE_RATE_TABLE = 1e-4  # UltraFlux Supp. Tab. 3: the table's value (M31)
ULTRAFLUX_VAE_WEIGHT_DECAY = 1e-2  # UltraFlux Supp. Tab. 3
ULTRAFLUX_VAE_LATENT_WEIGHT = 0.2  # UltraFlux Supp. Tab. 3: lambda_vae; of which term is not in the supplement
ULTRAFLUX_VAE_PERCEPTUAL_WEIGHT = 0.1  # UltraFlux Supp. Tab. 3: lambda_perc
ULTRAFLUX_VAE_SQUARED_WEIGHT = 1.0  # UltraFlux Supp. Tab. 3: lambda_L2

# UltraFlux: judge and prompt refiner
ULTRAFLUX_JUDGE = "Gemini-2.5-Flash"  # UltraFlux Supp. Sec. 11: in reasoning mode
ULTRAFLUX_REFINER = "GPT-4O"  # UltraFlux Supp. Sec. 12
ULTRAFLUX_REFINED_WORDS = (55, 100)  # UltraFlux Supp. Sec. 12: "Length: 55–100 words"

# URAE
URAE_BASE_MODEL = "FLUX.1-dev"  # URAE Sec. 3.1: guidance-distilled
URAE_PICTURES_2K = 3_000  # URAE Sec. 3.1: "3K synthetic samples" of FLUX1.1 [Pro] Ultra
URAE_PICTURES_4K = 30_000  # URAE Sec. 3.1: "30K images with at least 4K resolution", real, of LAION-5B
URAE_STEPS = 2_000  # URAE Sec. 3.1: "2K iterations", at 2K and at 4K; learning rate and rank not printed
URAE_BATCH = 8  # URAE Sec. 3.1: "a batch size of 8" at 2K; not printed at 4K
URAE_SANA_STEPS = 10_000  # URAE Sec. 3.1: "10K for SANA"
URAE_SIDE_2K = 2048  # URAE Sec. 3.1
URAE_SIDE_4K = 4096  # URAE Sec. 3.3 (Tab. 3)
URAE_REFERENCE_SIDE = 1024  # URAE Sec. 3.1: what SDEdit and I-Max enlarge
URAE_TRAINING_GUIDANCE = 1.0  # URAE Sec. 2.4: "setting $g = 1$"; the g > 1 of inference is not printed
URAE_VARIANT_2K = "lora"  # URAE Sec. 3.4: "use synthetic data and tune major components", at 2K
URAE_VARIANT_4K = "minor"  # URAE Sec. 3.4: "use real data and tune minor components at 4K resolution"
URAE_JUDGE = "GPT-4o"  # URAE Sec. 3.1
URAE_JUDGED_PROMPTS = 300  # URAE Sec. 3.1: COCO30K
URAE_USER_PROMPTS = 20  # URAE App. C.4: prompts 5 and 6 are the same (M46)
URAE_VOTES = 1_020  # URAE Sec. 3.3: "1,020 votes altogether"
