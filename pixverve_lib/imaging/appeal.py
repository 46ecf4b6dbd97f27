"""Two classical scores of appeal, from 1 to 10, for where no learned aesthetic predictor is at hand.

They reward what photography textbooks do (colour, contrast, a subject off centre, balance). They are not the LAION
predictor nor ArtiMuse, agree with people only roughly, and everything that uses them must call them `classical`.
"""
import cv2
import numpy as np

SIDE = 96  # pixels of the picture that composition is judged on


def _saturating(value, half):
    return value / (value + half)


def colourfulness(rgb):
    """M of Hasler and Suesstrunk 2003 (Human Vision and Electronic Imaging VIII): 0 for gray, above 100 for vivid."""
    r, g, b = (rgb[..., c].astype(np.float32) for c in range(3))
    rg, yb = r - g, 0.5 * (r + g) - b
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


def colour_and_light(thumbnail):
    """Vivid colour, contrast, and a mean tone that is neither dark nor pale.  thumbnail: H W 3 uint8  # [1, 10]"""
    gray = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY).astype(np.float32)
    tone = 1 - abs(float(gray.mean()) - 118) / 137
    return 1 + 9 * (0.45 * _saturating(colourfulness(thumbnail), 30) + 0.35 * _saturating(float(gray.std()),
                                                                                          30) + 0.2 * tone)


def composition(thumbnail):
    """Detail near the rule-of-thirds points, balanced around the middle, with quiet places left.  # [1, 10]"""
    gray = cv2.cvtColor(cv2.resize(thumbnail, (SIDE, SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    detail = cv2.GaussianBlur(np.abs(cv2.Laplacian(gray, cv2.CV_32F)), (0, 0), 3) + 1e-3
    detail /= detail.sum()
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    thirds = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.02) for a in (1 / 3, 2 / 3) for b in (1 / 3, 2 / 3))
    subject = float((detail * thirds).sum() / thirds.mean())
    balance = 1 - 2 * abs(float((detail * x).sum()) - 0.5)
    quiet = 1 - float(np.exp(-(detail * np.log(detail)).sum())) / detail.size
    return 1 + 9 * (0.5 * _saturating(subject, 1.0) + 0.3 * balance + 0.2 * quiet)
