"""Reference-free measures of what the sub-dimensions of MSFI name; each grows with the damage, none has a threshold.

Pictures are H W 3 uint8, 32 px a side at least. What a sub-dimension means is not measured (anatomy, vanishing points,
the direction of light), only traces that broken pictures show; content has them too. How much a measure tells is for
the bench's calibration to say. "Octaves" are powers of two.
"""
import cv2
import numpy as np

from pixverve_lib.imaging import visible_artefacts

SIDE = visible_artefacts.SIDE  # pixels, the smallest picture there is something to say about
LAYOUT, DETAIL = 128, 256  # pixels, long sides at which whole pictures are looked at
SQUARE = 8  # pixels, squares in which texture is compared
FLOOR = 0.1  # gray levels; less is rounding
EDGES = 400  # how many of the strongest edge pixels are looked at
STRONG = 4.0  # gray levels a pixel, of a gradient that belongs to an outline
PERIODS = (2, 3, 4)  # pixels, of repeated pixels


def whole(rgb):
    """{measure: value} of a whole picture: repetition, dispersal, slope, jumps, banding, bleeding."""
    small, middle = _reduced(rgb, LAYOUT), _reduced(rgb, DETAIL)
    return {"repetition": repetition(small), "dispersal": dispersal(_gray(middle)), "slope": slope(small),
            "jumps": jumps(middle), "banding": banding(rgb), "bleeding": bleeding(middle)}


def part(rgb):
    """{measure: value} of a patch at 1:1: chroma noise, checkerboard, aliasing, halos, over-smoothing, texture
    repetition, raggedness, stairs, uneven sharpness."""
    gray = _gray(rgb)
    return {"chroma noise": chroma_noise(rgb), "checkerboard": checkerboard(gray), "aliasing": aliasing(gray),
            "halos": sharpening(gray), "over-smoothing": smoothness(gray),
            "texture repetition": texture_repetition(gray), "raggedness": raggedness(gray), "stairs": stairs(gray),
            "uneven sharpness": uneven_sharpness(gray)}


def repetition(rgb):
    """How like other parts the parts of a picture are, a quarter of its side large; mean over those with content.

    Squared correlation of colour and, less, of light, in [0, 1].
    """
    layout = _lab(rgb) * np.float32([0.3, 1, 1])
    side = min(layout.shape[:2]) // 4
    corners = [(y, x) for y in range(0, layout.shape[0] - side + 1, side // 2)
               for x in range(0, layout.shape[1] - side + 1, side // 2)]
    found = [_likeness(layout, y, x, side) for y, x in corners
             if layout[y:y + side, x:x + side].std(axis=(0, 1)).sum() > 6]
    return float(np.mean(np.square(found))) if found else 0.0


def _likeness(layout, y, x, side):
    """Highest correlation of a part with any place half its side away or farther."""
    likeness = cv2.matchTemplate(layout, layout[y:y + side, x:x + side], cv2.TM_CCOEFF_NORMED)
    reach = side // 2
    likeness[max(0, y - reach):y + reach + 1, max(0, x - reach):x + reach + 1] = 0
    return max(0.0, float(likeness.max()))


def dispersal(gray):
    """Degrees by which nearly upright and nearly level outlines (20 degrees) lean on average: straight ones do not."""
    down, across = map(np.abs, _gradients(gray, 1))
    lean = np.degrees(np.arctan2(np.minimum(down, across), np.maximum(down, across)))
    near = (np.hypot(down, across) > STRONG) & (lean < 20)
    return float(lean[near].mean()) if near.any() else 0.0


def slope(rgb):
    """Stops by which one half, left or right, is brighter in at least three quarters of the rows; 0: in neither."""
    light = np.log2((_gray(rgb) / 255) ** 2.2 + 0.003)
    half = light.shape[1] // 2
    rows = np.median(light[:, :half], axis=1) - np.median(light[:, -half:], axis=1)
    low, high = np.percentile(rows, (25, 75))
    return float(max(low, -high, 0.0))


def jumps(rgb):
    """Octaves of the clearest steps of exposure between rows or columns: the same in each channel along 24 px."""
    light = np.log2((rgb / 255.0) ** 2.2 + 0.01)
    return float(np.log2(max(_jump(light), _jump(light.swapaxes(0, 1))) + 0.05))


def _jump(light, along=24, reach=6):
    """Steps along a stretch, less those next to it, in units of their spread; exceeded in half a picture's width."""
    stretches = light.shape[1] // along
    steps = np.diff(light[:, :stretches * along], axis=0).reshape(len(light) - 1, stretches, -1)
    size = np.abs(np.median(steps, axis=-1))
    beside = np.max([np.roll(size, k, axis=0) for k in range(-reach, reach + 1) if abs(k) > 1], axis=0)
    clear = np.maximum(size - beside, 0) / (steps.std(axis=-1) + 0.03)
    return float(np.sort(clear[reach:-reach].ravel())[-max(1, stretches // 2)])


def banding(rgb):
    """Octaves by which fewer levels are used than lie between dark and bright, in the fullest channel.

    Any resizing after the quantisation fills the levels up again, and hides it.
    """
    return -float(np.log2(max(map(_share_used, cv2.split(rgb)))))


def _share_used(channel):
    low, high = np.percentile(channel, (2, 98)).astype(int)
    counts = np.bincount(channel.ravel(), minlength=256)[low:high + 1]
    return float((counts > 0).mean()) if len(counts) > 8 else 1.0


def bleeding(rgb):
    """Octaves by which a smaller share of a change of colour than of light happens right at an outline."""
    lab = _lab(rgb)
    y, x, down, across = _edges(2.55 * lab[..., 0])
    if len(y) < 8:
        return 0.0
    offsets = np.float32([-6, -1.5, 1.5, 6])
    values = cv2.remap(lab, np.float32(x[:, None] + across[:, None] * offsets),
                       np.float32(y[:, None] + down[:, None] * offsets), cv2.INTER_LINEAR,
                       borderMode=cv2.BORDER_REFLECT)  # edge offset channel
    near, far = values[:, 2] - values[:, 1], values[:, 3] - values[:, 0]
    light, colour = (_length(near[:, c]) / (_length(far[:, c]) + 1) + 0.1 for c in (slice(0, 1), slice(1, 3)))
    return float(np.log2(light / colour))


def chroma_noise(rgb):
    """Octaves of the grain of colour where there is least, in levels."""
    colour = rgb.astype(np.float32) - rgb.mean(axis=-1, keepdims=True, dtype=np.float32)
    return float(np.log2(max(map(visible_artefacts.noise, cv2.split(colour))) + 0.25))


def checkerboard(gray):
    """Octaves of the amplitude of a pattern of two pixels' period, in levels, in the middle one of its squares."""
    sign = (np.indices(gray.shape).sum(axis=0) % 2 * 2 - 1).astype(np.float32)
    return float(np.log2(np.median(np.abs(_squares(gray * sign, 16))) + FLOOR))


def aliasing(gray):
    """Octaves by which steps gather at one pixel in 2, 3 or 4, the lesser of both directions; 1 and more: exactly."""
    return min(_gathering(np.minimum(np.abs(np.diff(one, axis=1)), 8).mean(axis=0) + FLOOR) for one in (gray, gray.T))


def stairs(gray):
    """The same of the steps across outlines that are neither upright nor level; 0 where there are hardly any."""
    down, across = _gradients(gray, 2.5)
    size = np.hypot(down, across)
    oblique = (size > STRONG) & (np.abs(2 * down * across) > 0.4 * size**2)
    if oblique.sum() < 24:
        return 0.0
    return min(_gathering((np.abs(np.diff(one, axis=1)) * mask[:, 1:]).sum(axis=0) + 1e-6)
               for one, mask in ((gray, oblique), (gray.T, oblique.T)))


def _gathering(steps):
    phases = ([steps[phase::period].mean() for phase in range(period)] for period in PERIODS)
    return float(np.log2(max(np.max(means) / np.mean(means) for means in phases)))


def sharpening(gray):
    """Octaves by which there is more contrast at 1 to 2 px than at 3 to 6 px: halos, and crisp texture as well."""
    one, two, three, six = (cv2.GaussianBlur(gray, (0, 0), sigma) for sigma in (1, 2, 3, 6))
    return float(np.log2(((one - two).std() + FLOOR) / ((three - six).std() + FLOOR)))


def smoothness(gray):
    """Octaves by which the fine texture of the quieter squares is below one level."""
    return -float(np.log2(np.percentile(_squares(np.abs(_fine(gray)), SQUARE), 25) + FLOOR))


def texture_repetition(gray):
    """Highest correlation of the fine texture with itself 6 px away or farther, in [0, 1]; outlines count little."""
    fine = _fine(gray)
    limit = 1.5 * float(np.median(np.abs(fine))) + FLOOR
    return _autocorrelation(np.clip(fine, -limit, limit), 6)


def _autocorrelation(values, least):
    """Highest over displacements of `least` px to half the side."""
    shape = [2 * n for n in values.shape]

    def overlap(a, b):
        return np.fft.irfft2(np.fft.rfft2(a, shape) * np.conj(np.fft.rfft2(b, shape)), shape)
    square, ones = values.astype(np.float64)**2, np.ones(values.shape)
    norm = np.sqrt(np.maximum(overlap(square, ones) * overlap(ones, square), 0)) + 0.01 * square.sum() + 1e-6
    y, x = np.meshgrid(*(np.minimum(np.arange(n), n - np.arange(n)) for n in shape), indexing="ij")
    asked = (np.maximum(y, x) >= least) & (y <= shape[0] // 4) & (x <= shape[1] // 4)
    return max(0.0, float((overlap(values, values) / norm)[asked].max()))


def raggedness(gray):
    """Squared sine of the angle between the fine and the coarse direction of outlines, mean of the strongest pixels."""
    (down, across), (below, beside) = _gradients(gray, 0.7), _gradients(gray, 2.5)
    fine, coarse = np.hypot(down, across), np.hypot(below, beside)
    weight = np.where(coarse > STRONG, fine, 0).ravel()
    best = np.argsort(-weight)[:EDGES]
    if not weight[best].any():
        return 0.0
    sine = (down * beside - across * below).ravel()[best] / np.maximum(fine * coarse, 1e-6).ravel()[best]
    return float((weight[best] * sine**2).sum() / weight[best].sum())


def uneven_sharpness(gray):
    """Octaves between the fine texture of the picture's middle and of its blurriest twentieth."""
    fine = np.sqrt(np.minimum(np.abs(_fine(gray)), 2))  # so that outlines count little
    level = np.log2(cv2.GaussianBlur(fine, (0, 0), SQUARE / 2) + FLOOR)
    return float(np.median(level) - np.percentile(level, 5))


def _reduced(rgb, side):
    scale = side / max(rgb.shape[:2])
    return rgb if scale >= 1 else cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _gray(rgb):
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _lab(rgb):
    return cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _fine(gray):
    return gray - cv2.GaussianBlur(gray, (0, 0), 2)


def _length(vectors):
    return np.linalg.norm(vectors, axis=1).sum()


def _gradients(gray, sigma):
    """Downwards and across, of the picture blurred by sigma px, in levels a pixel."""
    soft = cv2.GaussianBlur(gray, (0, 0), sigma)
    return tuple(cv2.Scharr(soft, cv2.CV_32F, *order, scale=1 / 32) for order in ((0, 1), (1, 0)))


def _edges(gray):
    """Row, column and unit normal (down, across) of the strongest edge pixels, at most EDGES."""
    down, across = _gradients(gray, 1)
    size = np.hypot(down, across)
    y, x = np.nonzero((size > 1.5 * STRONG) & (size >= cv2.dilate(size, np.ones((3, 3), np.uint8))))
    best = np.argsort(-size[y, x])[:EDGES]
    y, x = y[best], x[best]
    return y, x, down[y, x] / size[y, x], across[y, x] / size[y, x]


def _squares(values, side):
    """Mean of each whole square."""
    rows, columns = (n // side for n in values.shape)
    return values[:rows * side, :columns * side].reshape(rows, side, columns, side).mean(axis=(1, 3))
