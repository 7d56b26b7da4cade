"""Augmentation of whole batches, with one random draw per sample, on the batch's device."""

from datamodules.augmentation.affine import RandomAffine, RandomRotation, affine, rotate
from datamodules.augmentation.augmix import AugMix
from datamodules.augmentation.base import Augmentation
from datamodules.augmentation.color import ColorJitter, RandomGrayscale
from datamodules.augmentation.crop import RandomResizedCrop, crop_and_resize
from datamodules.augmentation.erase import RandomErasing, erase
from datamodules.augmentation.flip import AlternatingFlip, HorizontalFlip, flip_horizontally
from datamodules.augmentation.rand_augment import RandAugment, TrivialAugment
from datamodules.augmentation.translate import RandomTranslate, translate
from datamodules.augmentation.views import FlipViews, ShiftViews, Views

__all__ = [
    "AlternatingFlip",
    "AugMix",
    "Augmentation",
    "ColorJitter",
    "FlipViews",
    "HorizontalFlip",
    "RandAugment",
    "RandomAffine",
    "RandomErasing",
    "RandomGrayscale",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomTranslate",
    "ShiftViews",
    "TrivialAugment",
    "Views",
    "affine",
    "crop_and_resize",
    "erase",
    "flip_horizontally",
    "rotate",
    "translate",
]
