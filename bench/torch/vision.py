"""The cases of `src/cases/vision.rs`. torchvision is asked for when a case is made, so that the others run without it."""

import pathlib
import tempfile

import torch

from cases import case, infer, randn

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def torchvision():
    import torchvision.datasets
    import torchvision.io
    import torchvision.ops
    import torchvision.transforms.v2.functional

    return torchvision


def photo():
    """As a decoder leaves it: channels last in memory."""
    file = pathlib.Path(__file__).parents[2] / "data" / "photos" / "coffee.png"
    image = torchvision().io.decode_image(str(file))[:, :375, :500]
    return image.permute(1, 2, 0).contiguous().permute(2, 0, 1)


def small():
    return torchvision().transforms.v2.functional.resize(photo(), [224, 224], antialias=True).contiguous()


def chain(*first):
    v2 = torchvision().transforms.v2
    crop = v2.RandomResizedCrop(224, antialias=True)
    last = v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)
    return v2.Compose([crop, v2.RandomHorizontalFlip(), *first, *last])


def folder(quality, count, **options):
    """The photograph `count` times as a data set, and the folder, which is there as long as its object is."""
    place, t = tempfile.TemporaryDirectory(), torchvision()
    (pathlib.Path(place.name) / "photos").mkdir()
    for i in range(count):
        t.io.write_jpeg(photo().contiguous(), f"{place.name}/photos/{i}.jpg", quality)
    return t.datasets.ImageFolder(place.name, **options), place


@case("chain_q75", "chain_q90")
def from_tensors(name):
    images, place = folder(int(name[-2:]), 1, loader=lambda f: torchvision().io.decode_image(f, "RGB"), transform=chain())
    return infer(lambda: (images[0], place))


@case("chain_pillow_q90")
def from_pillow():
    images, place = folder(90, 1, transform=chain(torchvision().transforms.v2.ToImage()))
    return infer(lambda: (images[0], place))


@case("chain_decoded")
def decoded():
    image, transform = photo(), chain()
    return infer(lambda: transform(image))


@case("decode_q75", "decode_q90")
def decode(name):
    t = torchvision()
    file = t.io.encode_jpeg(photo().contiguous(), int(name[-2:]))
    return infer(lambda: t.io.decode_jpeg(file))


OF_BYTES = {
    "u8_blur_23": lambda f, x: f.gaussian_blur(x, 23, [1.5, 1.5]),
    "u8_hue": lambda f, x: f.adjust_hue(x, 0.1),
    "u8_affine": lambda f, x: f.affine(
        x, 15.0, [10.0, 5.0], 1.1, [5.0, 0.0], interpolation=torchvision().transforms.InterpolationMode.BILINEAR
    ),
    "u8_equalize": lambda f, x: f.equalize(x),
    "u8_autocontrast": lambda f, x: f.autocontrast(x),
    "u8_jpeg": lambda f, x: f.jpeg(x, 75),
}


@case(*OF_BYTES)
def of_bytes(name):
    x, f, work = small(), torchvision().transforms.v2.functional, OF_BYTES[name]
    return infer(lambda: work(f, x))


@case("u8_resize")
def resize():
    x, f = photo(), torchvision().transforms.v2.functional
    return infer(lambda: f.resize(x, [224, 224], antialias=True))


@case("u8_jitter", "u8_rand_augment")
def augment(name):
    v2 = torchvision().transforms.v2
    x, transform = small(), v2.ColorJitter(0.4, 0.4, 0.4, 0.1) if name == "u8_jitter" else v2.RandAugment()
    return infer(lambda: transform(x))


def boxes(n):
    corner, size = torch.rand(n, 2) * 900, torch.rand(n, 2) * 100
    return torch.cat([corner, corner + size], 1), torch.rand(n)


def regions(channels=256):
    rois = torch.cat([torch.zeros(512, 1), boxes(512)[0] * 0.8], 1)
    return randn(1, channels, 50, 50), rois


@case("nms_10k")
def nms():
    (b, scores), ops = boxes(10_000), torchvision().ops
    return infer(lambda: ops.nms(b, scores, 0.5))


@case("batched_nms_10k")
def batched_nms():
    (b, scores), classes, ops = boxes(10_000), torch.randint(0, 80, (10_000,)), torchvision().ops
    return infer(lambda: ops.batched_nms(b, scores, classes, 0.5))


@case("roi_align")
def roi_align():
    (x, rois), ops = regions(), torchvision().ops
    return infer(lambda: ops.roi_align(x, rois, (7, 7), 1 / 16, 2))


@case("roi_pool")
def roi_pool():
    (x, rois), ops = regions(), torchvision().ops
    return infer(lambda: ops.roi_pool(x, rois, (7, 7), 1 / 16))


@case("ps_roi_align")
def ps_roi_align():
    (x, rois), ops = regions(490), torchvision().ops
    return infer(lambda: ops.ps_roi_align(x, rois, (7, 7), 1 / 16, 2))


@case("ps_roi_pool")
def ps_roi_pool():
    (x, rois), ops = regions(490), torchvision().ops
    return infer(lambda: ops.ps_roi_pool(x, rois, (7, 7), 1 / 16))


@case("deform_conv2d")
def deform_conv2d():
    x, weight, ops = randn(1, 64, 56, 56), randn(64, 64, 3, 3), torchvision().ops
    offset, mask = randn(1, 18, 56, 56), torch.rand(1, 9, 56, 56)
    return infer(lambda: ops.deform_conv2d(x, offset, weight, padding=1, mask=mask))
