"""What an operation of RandAugment does to one image, by torchvision; and what its classes draw."""

import math

import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv


def on_bytes(function, image, *arguments):
    return function((image * 255).round().to(torch.uint8), *arguments) / 255


def shear(image, x, y, mode):
    return tv.affine(image, 0.0, [0, 0], 1.0, [math.degrees(math.atan(each)) for each in (x, y)], mode, center=[0, 0])


def apply(image, name, strength, interpolation="nearest"):
    mode = InterpolationMode(interpolation)
    by_name = {
        "Identity": lambda: image,
        "ShearX": lambda: shear(image, strength, 0, mode),
        "ShearY": lambda: shear(image, 0, strength, mode),
        "TranslateX": lambda: tv.affine(image, 0.0, [int(strength), 0], 1.0, [0.0, 0.0], mode),
        "TranslateY": lambda: tv.affine(image, 0.0, [0, int(strength)], 1.0, [0.0, 0.0], mode),
        "Rotate": lambda: tv.rotate(image, strength, mode),
        "Brightness": lambda: tv.adjust_brightness(image, 1 + strength),
        "Color": lambda: tv.adjust_saturation(image, 1 + strength),
        "Contrast": lambda: tv.adjust_contrast(image, 1 + strength),
        "Sharpness": lambda: tv.adjust_sharpness(image, 1 + strength),
        "Posterize": lambda: on_bytes(tv.posterize, image, round(strength)),
        "Solarize": lambda: on_bytes(tv.solarize, image, 255 * strength),
        "AutoContrast": lambda: on_bytes(tv.autocontrast, image),
        "Equalize": lambda: on_bytes(tv.equalize, image),
    }
    return by_name[name]()


def comparable(name, strength):
    """Return name and strength as torchvision's operations take them."""
    whole = {"TranslateX": int, "TranslateY": int, "Posterize": round}
    return name, whole.get(name, lambda value: round(value, 4))(strength) + 0


def record(monkeypatch, kind):
    """Return the list that all operations drawn by a class of torchvision's are noted in, instead of being applied."""
    noted = []

    def note(self, image, name, magnitude, **_):
        noted.append(comparable(name, magnitude))
        return image

    monkeypatch.setattr(getattr(v2, kind), "_apply_image_or_video_transform", note)
    return noted
