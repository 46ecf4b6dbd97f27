"""Constants of Sec. 3.1.1-3.1.4 and App. A of the paper, one a line, each with its source.

"not in paper: choice" marks a side of a bound that the paper leaves open and that was chosen here. What the paper does
not print has no line: tile size and overlap, seam ratio, PSNR, SSIM and LPIPS thresholds (misprints.csv: M14, M18).
Sides are in pixels, areas in pixels with M = 1,000,000 (not in paper: choice), fractions in [0, 1].
"""

# Where the raw pool comes from
SOURCES = ("Pexels", "Unsplash", "Aesthetic-Train-V2", "UltraHR-100K")  # Sec. 3.1.1
PROMPT_WRITER = "GPT-5.1"  # Sec. 3.1.1: prompts of the synthesized images
IMAGE_GENERATOR = "Nano Banana Pro"  # Sec. 3.1.1: synthesized 4K images
SYNTHESIZED_PICTURES = 5_000  # Sec. 3.1.4 (Tab. 1): "300,316 (5,000 Synthesized Images)"
AESTHETIC_TRAIN_V2_LICENSE = "MIT"  # App. C
ULTRAHR_100K_LICENSE = "CC BY-NC 4.0"  # App. C
PIXVERVE_LICENSE = "CC BY-NC 4.0"  # App. C

# Resolution screen: i) or ii)
LARGE_PIXELS = 25_000_000  # Sec. 3.1.1 i), 3.1.3 ii): "exceeding 25M", strict
LARGE_MIN_SIDE = 3000  # Sec. 3.1.1 i): "a minimum dimension of 3,000"; 3000 itself is kept (not in paper: choice)
MEDIUM_PIXELS = 10_000_000  # Sec. 3.1.1 ii): "10M to 25M"; both ends belong to ii) (not in paper: choice)
MEDIUM_MIN_SIDE = 1500  # Sec. 3.1.1 ii): "a minimum dimension of 1,500"; 1500 itself is kept (not in paper: choice)

# Five detectors; the candidate pool is the intersection of what each keeps of the raw pool
EXPOSURE_LOW = 5  # Sec. 3.1.2: "values above 250 or below 5", strict
EXPOSURE_HIGH = 250  # Sec. 3.1.2: "values above 250 or below 5", strict
EXPOSURE_MAX_FRACTION = 0.20  # Sec. 3.1.2: both kinds together; discarded if it "exceeds 20%", strict
LAPLACIAN_MIN_VARIANCE = 10  # Sec. 3.1.2: discarded if "below the threshold of 10", 10 itself is kept
FLAT_PATCH = 240  # App. A: non-overlapping 240 x 240 patches of the gray image; remainder not in paper
SOBEL_KERNEL = 3  # App. A
FLAT_MIN_VARIANCE = 750  # App. A: a patch is textureless if its variance "falls below" 750, strict
FLAT_MAX_FRACTION = 0.975  # Sec. 3.1.2, App. A: discarded if it "exceeds 97.5%", strict
ENTROPY_KEEP_FRACTION = 0.6  # Sec. 3.1.2: "top 60% highest-entropy images in the raw pool"; ties not in paper
AESTHETICS_SCORE_L = "LAION Aesthetic Predictor"  # Sec. 3.1.2: S_L
AESTHETICS_SCORE_A = "ArtiMuse"  # Sec. 3.1.2: S_A
AESTHETICS_KEEP_FRACTION = 0.6  # Sec. 3.1.2: S_L or S_A "among the top 60%" of the raw pool; ties not in paper

# Super-resolution to 100MP
TARGET_PIXELS = 100_000_000  # Sec. 3.1.3: "minimum resolution of 100MP"; 100MP itself is native (not in paper: choice)
SR_MODEL = "ODTSR"  # Sec. 3.1.3
LARGE_SR_SCALE = 2  # Sec. 3.1.3 ii): a side, for images above LARGE_PIXELS
MEDIUM_SR_SCALE = 4  # Sec. 3.1.3 iii): a side, for images of MEDIUM_PIXELS to LARGE_PIXELS

# Four filters
SEAM_STRIDE = 384  # Sec. 3.1.4: the tile stride, which Sec. 3.1.3 does not print (M14)
SEAM_MAX_RATIO = 2.5  # Sec. 3.1.4: r_t; discarded if any seam is "exceeding" it, strict
ARTIFACT_JUDGE = "Qwen3-VL-30B-A3B-Instruct"  # Sec. 3.1.4
REGION_PATCH = 768  # Sec. 3.1.4: non-overlapping patches
REGION_PATCHES = 10  # Sec. 3.1.4: "ten representative patches"
REGION_TEXTURED_PATCHES = 6  # Sec. 3.1.4: "six with the highest texture complexity (via the Sobel variance)"
REGION_RANDOM_PATCHES = 4  # Sec. 3.1.4: "the remaining four sampled randomly"
REGION_MAX_BAD = 1  # Sec. 3.1.4: discarded if "more than one" patch has noticeable artifacts
INSTANCE_MAX_BAD = 0  # Sec. 3.1.4: discarded if "any instance is flagged as defective"
INSTANCE_PADDING = 0.05  # Sec. 3.1.5: "5% padding"; of which length, and per side or in all, not in paper

# UltraFlux's settings of the same detectors
ULTRAFLUX_FLAT_PATCH = 240  # Supp. 2.1 of UltraFlux: non-overlapping 240 x 240 patches
ULTRAFLUX_FLAT_MIN_VARIANCE = 800  # Supp. 2.1 of UltraFlux: a patch is flagged if S_flat < 800, strict
ULTRAFLUX_FLAT_MAX_FRACTION = 0.5  # Supp. 2.1 of UltraFlux: removed if "more than 50%" are flagged, strict
ULTRAFLUX_ENTROPY_MIN = 7.0  # Supp. 2.1 of UltraFlux: removed if H < 7.0 bits, 7.0 itself is kept
ULTRAFLUX_QALIGN_MIN = 4.0  # Supp. 2.1 of UltraFlux: kept if "greater than 4.0"; 4.0 is removed (not in paper: choice)
ULTRAFLUX_ARTIMUSE_KEEP_FRACTION = 0.3  # Supp. 2.1 of UltraFlux: "top 30%"; ties not in paper
