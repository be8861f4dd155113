"""The folders that record_datasets.py makes: one or more for each class of torchvision.datasets."""

import bz2, io, json, os, pickle, struct, zlib

import numpy as np
import torch
from torchvision import datasets as D


def labelled(R):
    case, images = R.case, R.images
    folder = lambda root, classes, names, ending="": sum((images(f"{root}/{c}", names) for c in classes), [])
    text = lambda path, content: ["text", path, content]

    f = folder("", [], [])
    f = images("cat", ["2.png", "deep/1.jpg"]) + images("dog", ["9.webp", "10.tif"]) + [text("cat/notes.txt", "none")]
    case("ImageFolder", f, lambda r: D.ImageFolder(r), wrap=lambda s: s)
    f = folder("caltech256/256_ObjectCategories", ["001.ak47", "002.american-flag"], [])
    f = images("caltech256/256_ObjectCategories/001.ak47", ["001_0001.jpg", "001_0002.jpg"])
    f += images("caltech256/256_ObjectCategories/002.flag", ["002_0001.jpg"]) + [text("caltech256/256_ObjectCategories/002.flag/x.txt", "")]
    case("Caltech256", f, lambda r: D.Caltech256(r), classes=lambda d: d.categories, wrap=lambda s: s)

    f = images("clevr/CLEVR_v1.0/images/val", ["b.png", "a.png"])
    scenes = {"scenes": [{"image_filename": "a.png", "objects": [1, 2]}, {"image_filename": "b.png", "objects": []}]}
    f += [text("clevr/CLEVR_v1.0/scenes/CLEVR_val_scenes.json", json.dumps(scenes))]
    case("CLEVRClassification", f, lambda r: D.CLEVRClassification(r, split="val"), classes=False)
    f = images("clevr/CLEVR_v1.0/images/test", ["b.png"])
    case("CLEVRClassification:test", f, lambda r: D.CLEVRClassification(r, split="test"), classes=False, to=lambda s: (s[0], -1))

    f = folder("country211/valid", ["AD", "ZW"], ["2.jpg", "1.jpg"])
    case("Country211", f, lambda r: D.Country211(r, split="valid"))
    f = images("dtd/dtd/images", ["zigzagged/z_1.jpg", "banded/b_2.jpg", "banded/b_1.jpg"])
    f += [text("dtd/dtd/labels/val3.txt", "zigzagged/z_1.jpg\nbanded/b_2.jpg\nbanded/b_1.jpg\n")]
    case("DTD", f, lambda r: D.DTD(r, split="val", partition=3))
    case("EuroSAT", folder("eurosat/2750", ["River", "Forest"], ["1.jpg"]), lambda r: D.EuroSAT(r))

    f = images("fgvc-aircraft-2013b/data/images", ["100.jpg", "200.jpg", "300.jpg"])
    f += [text("fgvc-aircraft-2013b/data/families.txt", "Boeing 707\nA300\n")]
    f += [text("fgvc-aircraft-2013b/data/images_family_test.txt", "300 A300\n100 Boeing 707\n200 A300\n")]
    case("FGVCAircraft", f, lambda r: D.FGVCAircraft(r, split="test", annotation_level="family"))

    f = images("flowers-102/jpg", [f"image_{i:05}.jpg" for i in range(1, 6)])
    f += [["hex", "flowers-102/imagelabels.mat", R.mat(labels=np.array([[3, 1, 102, 7, 2]], dtype=np.uint8))]]
    ids = dict(trnid=np.array([[5, 1]], dtype=np.uint16), valid=np.array([[2]], dtype=np.uint16), tstid=np.array([[4, 3]], dtype=np.uint16))
    f += [["hex", "flowers-102/setid.mat", R.mat(**ids)]]
    case("Flowers102", f, lambda r: D.Flowers102(r))
    case("Flowers102:test", f, lambda r: D.Flowers102(r, split="test"))

    f = images("food-101/images", ["waffles/7.jpg", "apple_pie/1.jpg", "apple_pie/2.jpg"])
    f += [text("food-101/meta/test.json", '{"waffles": ["waffles/7"], "apple_pie": ["apple_pie/2", "apple_pie/1"]}')]
    case("Food101", f, lambda r: D.Food101(r, split="test"))

    ppm = lambda path, seed: ["fill", path, b"P6\n3 2\n255\n".hex(), 18, seed]
    f = [ppm("gtsrb/GTSRB/Training/00001/a.ppm", 3), ppm("gtsrb/GTSRB/Training/00000/b.ppm", 4)]
    case("GTSRB", f, lambda r: D.GTSRB(r), classes=False, wrap=lambda s: s)
    f = [ppm("gtsrb/GTSRB/Final_Test/Images/00000.ppm", 5), ppm("gtsrb/GTSRB/Final_Test/Images/00001.ppm", 6)]
    f += [text("gtsrb/GT-final_test.csv", "Filename;Width;ClassId\n00001.ppm;3;16\n00000.ppm;3;1\n")]
    case("GTSRB:test", f, lambda r: D.GTSRB(r, split="test"), classes=False)

    meta = io.BytesIO()
    torch.save(({"n02": ("tench", "Tinca tinca"), "n01": ("crane",)}, ["n02"]), meta)
    f = folder("val", ["n02", "n01"], ["1.JPEG"]) + [["hex", "meta.bin", meta.getvalue().hex()]]
    case("ImageNet", f, lambda r: D.ImageNet(r, split="val"), wrap=lambda s: s)
    f = folder("imagenette2-160/val", ["n01440764", "n03888257"], ["b.JPEG", "a.jpeg"])
    case("Imagenette", f, lambda r: D.Imagenette(r, split="val", size="160px"), wrap=lambda s: s)

    f = images("lfw-py/lfw_funneled", ["Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0002.jpg", "Bo/Bo_0001.jpg", "Cy/Cy_0001.jpg"])
    f += [text("lfw-py/lfw-names.txt", "Ann_Lee\t2\nBo\t1\nCy\t1\n"), text("lfw-py/lfw-funneled.tgz", ""), text("lfw-py/lfw.tgz", "")]
    people = f + [text("lfw-py/people.txt", "2\n1\nAnn_Lee\t2\n2\nCy\t1\nBo\t1\n"), text("lfw-py/peopleDevTest.txt", "1\nBo\t1\n")]
    names = lambda d: list(d.class_to_idx)
    case("LFWPeople", people, lambda r: D.LFWPeople(r), classes=names)
    case("LFWPeople:test", people, lambda r: D.LFWPeople(r, split="test"), classes=names)
    pairs = f + [text("lfw-py/pairs.txt", "2\t1\nAnn_Lee\t1\t2\nBo\t1\tCy\t1\nAnn_Lee\t2\t1\nCy\t1\tAnn_Lee\t2\n")]
    pairs += [text("lfw-py/pairsDevTrain.txt", "1\nAnn_Lee\t2\t2\nBo\t1\tAnn_Lee\t1\n")]
    case("LFWPairs", pairs, lambda r: D.LFWPairs(r), classes=False)
    case("LFWPairs:train", pairs, lambda r: D.LFWPairs(r, split="train"), classes=False)

    f = images("omniglot-py/images_evaluation", ["Tifinagh/character02/b.png", "Greek/character01/2.png", "Tifinagh/character01/1.png"], "L")
    f += [text("omniglot-py/images_evaluation.zip", "")]
    case("Omniglot", f, lambda r: D.Omniglot(r, background=False), classes=lambda d: d._characters)

    f = images("data_256_standard", ["a/abbey/1.jpg", "b/bar/2.jpg"]) + images("val_large", ["v.jpg"]) + images("test_large", ["t.jpg"])
    f += [text("categories_places365.txt", "/b/bar 1\n/a/abbey 0\n"), text("places365_train_standard.txt", "/b/bar/2.jpg 1\n/a/abbey/1.jpg 0\n")]
    f += [text("places365_val.txt", "v.jpg 1\n"), text("places365_test.txt", "t.jpg\n")]
    case("Places365", f, lambda r: D.Places365(r, small=True))
    case("Places365:val", f, lambda r: D.Places365(r, split="val"))
    case("Places365:test", f, lambda r: D.Places365(r, split="test"), to=lambda s: (s[0], -1))

    f = folder("rendered-sst2/valid", ["positive", "negative"], ["1.png"])
    case("RenderedSST2", f, lambda r: D.RenderedSST2(r, split="val"))

    record = np.dtype([("bbox_x1", "O"), ("class", "O"), ("fname", "O")])
    cars = lambda rows: np.array([tuple(np.array([[v]]) if not isinstance(v, str) else v for v in row) for row in rows], dtype=record)
    f = images("stanford_cars/cars_train", ["00001.jpg", "00002.jpg"]) + images("stanford_cars/cars_test", ["00001.jpg"])
    f += [["hex", "stanford_cars/devkit/cars_train_annos.mat", R.mat(annotations=cars([(39, 14, "00002.jpg"), (36, 3, "00001.jpg")]))]]
    f += [["hex", "stanford_cars/cars_test_annos_withlabels.mat", R.mat(annotations=cars([(1, 2, "00001.jpg"), (1, 1, "00001.jpg")]))]]
    f += [["hex", "stanford_cars/devkit/cars_meta.mat", R.mat(class_names=np.array(["AM General Hummer", "Acura RL", "Ä"], dtype=object))]]
    case("StanfordCars", f, lambda r: D.StanfordCars(r))
    case("StanfordCars:test", f, lambda r: D.StanfordCars(r, split="test"))

    f = images("SUN397", ["a/abbey/sun_2.jpg", "a/abbey/sun_1.jpg", "b/bar/outdoor/sun_9.jpg", "a/abbey/x.jpg"])
    case("SUN397", f + [text("SUN397/ClassName.txt", "/a/abbey\n/b/bar/outdoor\n")], lambda r: D.SUN397(r))


def kinds(R):
    case, images = R.case, R.images
    text = lambda path, content: ["text", path, content]

    f = images("caltech101/101_ObjectCategories", ["Faces/image_0001.jpg", "crab/image_0001.jpg", "crab/image_0002.jpg"], "L")
    f += images("caltech101/101_ObjectCategories/BACKGROUND_Google", ["image_0001.jpg"])
    for i, path in enumerate(["Faces_2/annotation_0001", "crab/annotation_0001", "crab/annotation_0002"]):
        outline = np.array(R.floats(i, 6)).reshape(2, 3)
        f += [["hex", f"caltech101/Annotations/{path}.mat", R.mat(box_coord=np.array([[1, 2, 3, 4]], dtype=np.uint16), obj_contour=outline)]]
    case("Caltech101", f, lambda r: D.Caltech101(r), classes=lambda d: d.categories, wrap=lambda s: s)
    case("Caltech101:both", f, lambda r: D.Caltech101(r, target_type=["annotation", "category"]), classes=lambda d: d.categories)

    f = images("celeba/img_align_celeba", [f"00000{i}.jpg" for i in (1, 2, 3, 4)])
    f += [text("celeba/list_eval_partition.txt", "000001.jpg 0\n000002.jpg 2\n000003.jpg 0\n000004.jpg 2\n")]
    f += [text("celeba/identity_CelebA.txt", "000001.jpg 2880\n000002.jpg 2937\n000003.jpg 8692\n000004.jpg 5805\n")]
    f += [text("celeba/list_bbox_celeba.txt", "3\nimage_id x_1 y_1 width height\n000001.jpg    95  71 226 313\n000002.jpg    72  94 221 306\n000003.jpg   216  59  91 126\n000004.jpg   622 257 564 781\n")]
    points = "".join(f"00000{i}.jpg  69  109  {i}  113   77  142   73  152  108  154\n" for i in (1, 2, 3, 4))
    f += [text("celeba/list_landmarks_align_celeba.txt", "3\nlefteye_x lefteye_y\n" + points)]
    f += [text("celeba/list_attr_celeba.txt", "3\nBald Bangs Young \n000001.jpg -1  1  1\n000002.jpg -1 -1  1\n000003.jpg  1 -1 -1\n000004.jpg  1  1 -1\n")]
    case("CelebA", f, lambda r: D.CelebA(r), classes=lambda d: [n for n in d.attr_names if n])
    case("CelebA:box", f, lambda r: D.CelebA(r, split="test", target_type=["bbox", "identity"]), classes=False, wrap=lambda s: s)
    case("CelebA:all", f, lambda r: D.CelebA(r, split="all", target_type="landmarks"), classes=False)

    f = images("leftImg8bit/val/ulm", ["ulm_2_leftImg8bit.png", "ulm_1_leftImg8bit.png"]) + images("leftImg8bit/val/bonn", ["bonn_1_leftImg8bit.png"])
    outline = {"imgHeight": 2, "imgWidth": 3, "objects": [{"label": "road", "polygon": [[0, 1], [2, 1]]}, {"label": "sky", "polygon": [[-1, 0]]}]}
    for start in ["ulm/ulm_1", "ulm/ulm_2", "bonn/bonn_1"]:
        f += images("gtFine/val", [f"{start}_gtFine_instanceIds.png"], "I;16") + images("gtFine/val", [f"{start}_gtFine_labelIds.png"], "L")
        f += images("gtFine/val", [f"{start}_gtFine_color.png"]) + [text(f"gtFine/val/{start}_gtFine_polygons.json", json.dumps(outline))]
    case("Cityscapes", f, lambda r: D.Cityscapes(r, split="val"), classes=False)
    case("Cityscapes:all", f, lambda r: D.Cityscapes(r, split="val", target_type=["semantic", "color", "polygon"]), classes=False)
    case("Cityscapes:semantic", f, lambda r: D.Cityscapes(r, split="val", target_type="semantic"), classes=False, wrap=lambda s: s)

    f = images("2021_valid/00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris", ["b.jpg", "a.jpg"])
    f += images("2021_valid/00001_Animalia_Mollusca_Clitellata_Haplotaxida_Lumbricidae_Helix_pomatia", ["c.jpg"])
    order = lambda d: d.all_categories
    case("INaturalist", f, lambda r: D.INaturalist(r, version="2021_valid"), classes=order)
    case("INaturalist:ranks", f, lambda r: D.INaturalist(r, version="2021_valid", target_type=["kingdom", "phylum", "class", "full", "genus"]), classes=order)
    f = images("2018", ["Aves/1/a.jpg", "Reptilia/0/b.jpg", "Aves/2/c.jpg"])
    case("INaturalist:2018", f, lambda r: D.INaturalist(r, version="2018", target_type=["full", "super"]), classes=order)
    f = images("2017", ["Aves/Anas/a.jpg", "Reptilia/Boa/b.jpg", "Aves/Bubo/c.jpg"])
    case("INaturalist:2017", f, lambda r: D.INaturalist(r, version="2017", target_type="super"), classes=order)

    names = ["Abyssinian_2", "american_bulldog_10", "Abyssinian_1"]
    f = images("oxford-iiit-pet/images", [n + ".jpg" for n in names]) + images("oxford-iiit-pet/annotations/trimaps", [n + ".png" for n in names], "L")
    f += [text("oxford-iiit-pet/annotations/test.txt", "Abyssinian_2 1 1 1\namerican_bulldog_10 2 2 1\nAbyssinian_1 1 1 1\n")]
    case("OxfordIIITPet", f, lambda r: D.OxfordIIITPet(r, split="test"))
    every = ["binary-category", "segmentation", "category"]
    case("OxfordIIITPet:all", f, lambda r: D.OxfordIIITPet(r, split="test", target_types=every), wrap=lambda s: s)


def arrays(R):
    case = R.case
    text = lambda path, content: ["text", path, content]
    idx = lambda path, head, n, seed: ["fill", path, head, n, seed]

    for name, key in [("MNIST", D.MNIST), ("FashionMNIST", D.FashionMNIST), ("KMNIST", D.KMNIST)]:
        f = [idx(f"{name}/raw/{part}-images-idx3-ubyte", "00000803000000020000000200000003", 12, 5) for part in ("train", "t10k")]
        f += [["hex", f"{name}/raw/{part}-labels-idx1-ubyte", "00000801000000020700"] for part in ("train", "t10k")]
        case(name, f, lambda r: key(r, train=False), wrap=(lambda s: s) if name != "KMNIST" else None)
    f = [idx(f"EMNIST/raw/emnist-letters-{part}-images-idx3-ubyte", "00000803000000020000000200000003", 12, 6) for part in ("train", "test")]
    f += [["hex", f"EMNIST/raw/emnist-letters-{part}-labels-idx1-ubyte", "0000080100000002011a"] for part in ("train", "test")]
    case("EMNIST", f, lambda r: D.EMNIST(r, split="letters"))

    case("FakeData", [], lambda r: D.FakeData(3, (3, 4, 5), 7, random_offset=11), classes=False)
    packed = lambda path, content: ["zlib", path, zlib.compress(content.encode(), 9).hex()]
    row = lambda seed: " ".join(map(str, R.noise(seed, 48) * 48))
    f = [packed("fer2013/icml_face_data.csv", f"emotion, Usage, pixels\n3,Training,{row(1)}\n5,PrivateTest,{row(2)}\n")]
    case("FER2013", f, lambda r: D.FER2013(r, split="test"), classes=False)
    f = [packed("fer2013/test.csv", f'"pixels"\n"{row(3)}"\n')]
    case("FER2013:test", f, lambda r: D.FER2013(r, split="test"), classes=False, to=lambda s: (s[0], -1))

    line = lambda seed, label: " ".join(f"{v % 2}.0000" for v in R.noise(seed, 256)) + " " + " ".join(str(int(i == label)) for i in range(10))
    case("SEMEION", [packed("semeion.data", line(1, 3) + " \n" + line(2, 0) + " \n")], lambda r: D.SEMEION(r, download=False), classes=False)

    x = lambda name, n, seed: idx(f"stl10_binary/{name}_X.bin", "", n * 27648, seed)
    f = [x("train", 3, 1), x("unlabeled", 1, 2), x("test", 1, 3), ["hex", "stl10_binary/train_y.bin", "010a03"], ["hex", "stl10_binary/test_y.bin", "05"]]
    f += [text("stl10_binary/class_names.txt", "airplane\nbird\n"), text("stl10_binary/fold_indices.txt", "0 1 \n2 0 \n")]
    case("STL10", f, lambda r: D.STL10(r, folds=1))
    case("STL10:both", f, lambda r: D.STL10(r, split="train+unlabeled"))
    case("STL10:test", f, lambda r: D.STL10(r, split="test"))

    pixels = np.array(R.noise(4, 96) * 64, dtype=np.uint8).reshape(32, 32, 3, 2)
    f = [["hex", "train_32x32.mat", R.mat(X=pixels, y=np.array([[10], [3]], dtype=np.uint8))]]
    case("SVHN", f, lambda r: D.SVHN(r), classes=False)

    def usps(seeds):
        lines = [f"{label} " + " ".join(f"{i + 1}:{v / 128 - 1:.4f}" for i, v in enumerate(R.noise(seed, 64, 257) * 4)) + " \n" for seed, label in seeds]
        # Two streams, the first with runs of more than 255 bytes.
        return (bz2.compress(lines[0].replace(" 2:", " " * 600 + "2:").encode()) + bz2.compress("".join(lines[1:]).encode())).hex()

    case("USPS", [["hex", "usps.t.bz2", usps([(1, 10), (2, 3)])]], lambda r: D.USPS(r, train=False), classes=False)


def captions(R):
    case, images = R.case, R.images
    text = lambda path, content: ["text", path, content]
    said = {"images": [{"id": 5, "file_name": "b.jpg"}, {"id": 2, "file_name": "a.jpg"}], "annotations": [
        {"id": 1, "image_id": 5, "caption": "a dog"}, {"id": 2, "image_id": 2, "caption": "a \"cat\""}, {"id": 3, "image_id": 5, "caption": "it runs"}]}
    f = images("img", ["a.jpg", "b.jpg"])
    case("CocoCaptions", f + [text("c.json", json.dumps(said))], lambda r: D.CocoCaptions("img", "c.json"), classes=False, wrap=lambda s: s)
    page = "<html><body><h1>x</h1><table>\n<tr><td><a href='x'>http://www.flickr.com/photos/x/2/</a><ul><li>A dog . \n</li><li> Two dogs .</li></ul></td></tr>"
    page += "<tr><td><a href='x'>http://www.flickr.com/photos/x/1/</a><ul><li>One\n</li></ul></td><td>Image Not Found</td><ul><li>lost</li></ul></tr></table></body></html>"
    f = images("img", ["2_abc.jpg", "1_def.jpg"]) + [text("f.html", page)]
    case("Flickr8k", f, lambda r: D.Flickr8k("img", "f.html"), classes=False)
    f = images("img", ["2.jpg", "1.jpg"]) + [text("f.token", "2.jpg#0\tA dog .\n2.jpg#1\tTwo .\n1.jpg#0\tOne .\n")]
    case("Flickr30k", f, lambda r: D.Flickr30k("img", "f.token"), classes=False)
    f = images("dataset", ["a.jpg", "c.jpg"]) + [text("SBUCaptionedPhotoDataset.tar.gz", "")]
    f += [text("dataset/SBU_captioned_photo_dataset_urls.txt", "http://x.y/1/a.jpg\nhttp://x.y/b.jpg\nhttp://x.y/c.jpg\n")]
    f += [text("dataset/SBU_captioned_photo_dataset_captions.txt", "one\ntwo\nthree \n")]
    case("SBU", f, lambda r: D.SBU(r, download=False), classes=False)


def things(R):
    case, images = R.case, R.images
    text = lambda path, content: ["text", path, content]
    split = lambda s: [s[0], [s[1]["boxes"], s[1]["labels"]]] if s[1] is not None else s

    boxes = {"images": [{"id": 5, "file_name": "b.jpg"}, {"id": 2, "file_name": "a.jpg"}], "categories": [{"id": 1, "name": "coin"}], "annotations": [
        {"id": 1, "image_id": 2, "category_id": 1, "bbox": [1, 0, 2, 1.5], "area": 3.5, "iscrowd": 0, "segmentation": [[1, 0, 3, 0, 3, 1.5]]},
        {"id": 2, "image_id": 5, "category_id": 1, "bbox": [0, 0, 1, 1.0], "area": 1, "iscrowd": 1, "segmentation": []},
        {"id": 3, "image_id": 2, "category_id": 7, "bbox": [0, 1, 1, 1], "area": 1, "iscrowd": 0, "segmentation": []}]}
    f = images("img", ["a.jpg", "b.jpg"]) + [text("c.json", json.dumps(boxes))]
    keys = ["id", "category_id", "bbox", "area", "iscrowd", "segmentation"]
    plain = lambda s: (s[0], [[[float(x) for x in v] if k == "bbox" else float(v) if k == "area" else bool(v) if k == "iscrowd" else [[float(x) for x in p] for p in v] if k == "segmentation" else v
                               for k, v in ((k, a[k]) for k in keys)] for a in s[1]])
    case("CocoDetection", f, lambda r: D.CocoDetection("img", "c.json"), classes=False, to=plain, wrap=lambda s: [s[0], s[1]["boxes"], s[1]["labels"]])

    import pycocotools.mask
    shape = np.asfortranarray(np.array(R.noise(3, 20 * 30, 3), dtype=np.uint8).reshape(20, 30) > 0)
    runs = pycocotools.mask.encode(shape.astype(np.uint8))
    counts = [0] + [1, 599]
    forms = [[[3.5, 2.25, 17, 1, 24.75, 9.5, 12, 18.3, 5, 12]], [[1, 1, 9, 1, 9, 9, 1, 9], [20, 10, 40, 10, 25, 30]], {"size": [20, 30], "counts": runs["counts"].decode()}, {"size": [20, 30], "counts": counts}]
    things = [{"id": i, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1.5], "area": 1, "iscrowd": 0, "segmentation": f} for i, f in enumerate(forms)]
    f = [["png", "img/a.jpg", "RGB", 20, 30, 1], text("c.json", json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": things}))]
    masks = lambda d: [D.wrap_dataset_for_transforms_v2(d, target_keys=["masks"])[0][1]["masks"]]
    case("CocoDetection:masks", f, lambda r: D.CocoDetection("img", "c.json"), classes=False, direct=masks)

    line = "Car 0.00 1 -1.58 1 0 2.5 1 1.57 1.73 4.15 1.00 1.75 13.22 -1.62\nDontCare -1 -1 -10 0.5 0.25 1 2 -1 -1 -1 -1000 -1000 -1000 -10\n"
    f = images("Kitti/raw/training/image_2", ["000001.png", "000000.png"]) + images("Kitti/raw/testing/image_2", ["000007.png"])
    f += [text("Kitti/raw/training/label_2/000000.txt", line), text("Kitti/raw/training/label_2/000001.txt", line.replace("Car ", "Van "))]
    case("Kitti", f, lambda r: D.Kitti(r), classes=False, wrap=split)
    case("Kitti:test", f, lambda r: D.Kitti(r, train=False), classes=False)

    import scipy.sparse
    def sbd(seed):
        edges = np.empty((20, 1), dtype=object)
        for i in range(20):
            edges[i, 0] = scipy.sparse.csc_matrix(np.array([v % 3 == 0 for v in R.noise(seed + i, 6)], dtype=np.float64).reshape(2, 3))
        mask = np.array(R.noise(seed, 6, 21), dtype=np.uint8).reshape(2, 3)
        return R.mat(GTcls={"Boundaries": edges, "Segmentation": mask, "CategoriesPresent": np.array([[1]], dtype=np.uint8)})
    f = images("img", ["2008_1.jpg", "2008_2.jpg"]) + [text("train_noval.txt", "2008_2\n2008_1\n")]
    f += [["hex", f"cls/2008_{i}.mat", sbd(i)] for i in (1, 2)]
    case("SBDataset", f, lambda r: D.SBDataset(r, image_set="train_noval"), classes=False)
    case("SBDataset:mask", f, lambda r: D.SBDataset(r, image_set="train_noval", mode="segmentation"), classes=False, wrap=lambda s: s)

    part = lambda name, box, more="": f"<object><name>{name}</name><pose>Left</pose>{more}<bndbox>" + "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box)) + "</bndbox></object>"
    page = lambda objects: f"<annotation>\n\t<folder>VOC2007</folder>\n\t<filename>a &amp; b.jpg</filename><!-- x --><size><width>3</width><height>2</height></size>\n<empty/>{objects}</annotation>\n"
    root = "VOCdevkit/VOC2007"
    f = images(f"{root}/JPEGImages", ["000001.jpg", "000002.jpg"]) + images(f"{root}/SegmentationClass", ["000001.png", "000002.png"], "P")
    two = part("dog", (1, 0, 3, 2), "<part><name>head</name></part><part><name>foot</name></part>") + part("person", (0, 0, 1, 1))
    f += [text(f"{root}/Annotations/000001.xml", page(two)), text(f"{root}/Annotations/000002.xml", page(part("tvmonitor", (0, 1, 2, 2))))]
    f += [text(f"{root}/ImageSets/Main/test.txt", "000002\n000001\n"), text(f"{root}/ImageSets/Segmentation/val.txt", "000001\n000002\n")]
    case("VOCDetection", f, lambda r: D.VOCDetection(r, year="2007", image_set="test"), classes=False, wrap=split)
    case("VOCSegmentation", f, lambda r: D.VOCSegmentation(r, year="2007", image_set="val"), classes=False, wrap=lambda s: s)

    f = images("widerface/WIDER_val/images/0--Parade", ["a.jpg", "b.jpg"]) + images("widerface/WIDER_test/images/1--X", ["t.jpg"])
    f += [text("widerface/WIDER_train/x", "")]
    f += [text("widerface/wider_face_split/wider_face_val_bbx_gt.txt", "0--Parade/b.jpg\n2\n0 1 2 1 0 1 0 2 1 0 \n1 0 1 1 2 0 1 0 0 1 \n0--Parade/a.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n")]
    f += [text("widerface/wider_face_split/wider_face_test_filelist.txt", "1--X/t.jpg\n")]
    case("WIDERFace", f, lambda r: D.WIDERFace(r, split="val"), classes=False, wrap=lambda s: [s[0], [s[1].pop("bbox"), s[1]]])
    case("WIDERFace:test", f, lambda r: D.WIDERFace(r, split="test"), classes=False)


def sequences(R):
    case = R.case
    text = lambda path, content: ["text", path, content]
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (20, 2, 3, 4)})
    f = [["fill", "MovingMNIST/mnist_test_seq.npy", head.getvalue().hex(), 480, 9]]
    case("MovingMNIST", f, lambda r: D.MovingMNIST(r), classes=False)
    case("MovingMNIST:test", f, lambda r: D.MovingMNIST(r, split="test", split_ratio=7), classes=False)

    f = [["png", f"liberty/patches{i}.bmp", "L", 64, 128, i] for i in (1, 0)]
    f += [text("liberty/info.txt", "0 0\n0 0\n1 0\n7 0\n"), text("liberty/m50_100000_100000_0.txt", "0 0 0 1 0 0 0\n2 1 0 3 7 0 0\n")]
    case("PhotoTour", f, lambda r: D.PhotoTour(r, "liberty"), classes=False)
    case("PhotoTour:pairs", f, lambda r: D.PhotoTour(r, "liberty", train=False), classes=False, to=lambda s: (s[0], s[1], int(s[2])))

    f = [["fill", "QMNIST/raw/qmnist-test-images-idx3-ubyte", "00000803000000020000000200000003", 12, 7]]
    f += [["hex", "QMNIST/raw/qmnist-test-labels-idx2-int", "00000c020000000200000008" + struct.pack(">16i", 7, 4, 2610, 11, 55, 0, 0, 0, 2, 4, 2611, 12, 50, 0, 0, 0).hex()]]
    case("QMNIST", f, lambda r: D.QMNIST(r, what="test10k"))
    case("QMNIST:all", f, lambda r: D.QMNIST(r, what="test", compat=False))

    few = lambda seed, n: np.array([v for v in R.noise(seed, 4)] * (768 * n), dtype=np.uint8).reshape(n, 3072)
    dump = lambda **entry: zlib.compress(pickle.dumps(entry, protocol=4), 9).hex()
    f = [["zlib", f"cifar-10-batches-py/data_batch_{i}", dump(data=few(i, 1), labels=[i])] for i in range(1, 6)]
    f += [["zlib", "cifar-10-batches-py/test_batch", zlib.compress(pickle.dumps(dict(data=few(9, 2), labels=[9, 3]), protocol=2), 9).hex()]]
    f += [["zlib", "cifar-10-batches-py/batches.meta", dump(label_names=list("abcdefghij"))]]
    case("CIFAR10", f, lambda r: D.CIFAR10(r), wrap=lambda s: s)
    case("CIFAR10:test", f, lambda r: D.CIFAR10(r, train=False))
    f = [["zlib", f"cifar-100-python/{part}", dump(data=few(5, 2), fine_labels=[99, 1], coarse_labels=[3, 4])] for part in ("train", "test")]
    f += [["zlib", "cifar-100-python/meta", dump(fine_label_names=["apple", "bowl"], coarse_label_names=["fish"])]]
    case("CIFAR100", f, lambda r: D.CIFAR100(r))


def flows(R):
    case, images = R.case, R.images
    text = lambda path, content: ["text", path, content]
    flo = lambda path, seed: ["f32", path, (b"PIEH" + struct.pack("<2i", 3, 2)).hex(), 12, seed]
    pfm = lambda path, seed: ["f32", path, b"PF\n3 2\n-1.0\n".hex(), 18, seed]
    gray = lambda path, seed, big=False: ["f32be" if big else "f32", path, (b"Pf\n3 2\n" + (b"1.0\n" if big else b"-1.0\n")).hex(), 6, seed]
    ppm = lambda path, seed: ["fill", path, b"P6\n3 2\n255\n".hex(), 18, seed]
    bare = dict(classes=False)
    four = lambda s: s if len(s) == 4 else (*s, None)

    f = [ppm(f"FlyingChairs/data/{i:05}_img{k}.ppm", i * 2 + k) for i in (1, 2, 3) for k in (1, 2)] + [flo(f"FlyingChairs/data/{i:05}_flow.flo", i) for i in (1, 2, 3)]
    f += [text("FlyingChairs/FlyingChairs_train_val.txt", "1\n2\n1\n")]
    case("FlyingChairs", f, lambda r: D.FlyingChairs(r), to=four, **bare)
    case("FlyingChairs:val", f, lambda r: D.FlyingChairs(r, split="val"), to=four, **bare)
    f = images("FlyingThings3D/frames_cleanpass/TRAIN/A/0000/left", ["0006.png", "0007.png", "0008.png"])
    f += [pfm(f"FlyingThings3D/optical_flow/TRAIN/A/0000/{way}/left/{i}.pfm", i + k) for i in (6, 7, 8) for k, way in enumerate(("into_future", "into_past"))]
    case("FlyingThings3D", f, lambda r: D.FlyingThings3D(r), to=four, **bare)
    f = images("hd1k/hd1k_input/image_2", ["000002_0010.png", "000002_0020.png"]) + images("hd1k/hd1k_flow_gt/flow_occ", ["000002_0010.png", "000002_0020.png"], "RGB16")
    f += images("hd1k/hd1k_challenge/image_2", ["000001_10.png", "000001_11.png"])
    case("HD1K", f, lambda r: D.HD1K(r), to=four, **bare)
    f = images("KittiFlow/training/image_2", ["000000_10.png", "000000_11.png"]) + images("KittiFlow/training/flow_occ", ["000000_10.png"], "RGB16")
    f += images("KittiFlow/testing/image_2", ["000003_10.png", "000003_11.png"])
    case("KittiFlow", f, lambda r: D.KittiFlow(r), to=four, **bare)
    case("KittiFlow:test", f, lambda r: D.KittiFlow(r, split="test"), **bare, to=lambda s: (s[0], s[1], None, None), direct=lambda d: [(d._read_img(a), d._read_img(b)) for a, b in d._image_list])
    f = sum((images(f"Sintel/training/{p}/{scene}", ["frame_0001.png", "frame_0002.png", "frame_0003.png"]) for p in ("clean", "final") for scene in ("bamboo", "alley")), [])
    f += [flo(f"Sintel/training/flow/{scene}/frame_000{i}.flo", i + k) for k, scene in enumerate(("alley", "bamboo")) for i in (1, 2)]
    f += images("Sintel/test/final/cave", ["frame_0001.png", "frame_0002.png"])
    case("Sintel", f, lambda r: D.Sintel(r, pass_name="both"), to=four, **bare)
    case("Sintel:test", f, lambda r: D.Sintel(r, split="test", pass_name="final"), to=four, **bare)

    f = images("carla-highres/trainingF/s", ["im0.png", "im1.png"]) + [gray(f"carla-highres/trainingF/s/disp{k}GT.pfm", 40 + k, big=True) for k in (0, 1)]
    case("CarlaStereo", f, lambda r: D.CarlaStereo(r), to=four, **bare)
    f = sum((images(f"CREStereo/{kind}", ["1_left.jpg", "1_right.jpg"]) + images(f"CREStereo/{kind}", ["1_left.disp.png", "1_right.disp.png"], "I;16") for kind in ("shapenet", "reflective", "tree", "hole")), [])
    case("CREStereo", f, lambda r: D.CREStereo(r), to=four, **bare)
    f = images("ETH3D/two_view_training/s", ["im0.png", "im1.png"]) + [gray("ETH3D/two_view_training_gt/s/disp0GT.pfm", 4)] + images("ETH3D/two_view_training_gt/s", ["mask0nocc.png"], "L")
    f += images("ETH3D/two_view_test/t", ["im0.png", "im1.png"])
    case("ETH3DStereo", f, lambda r: D.ETH3DStereo(r), to=four, **bare)
    case("ETH3DStereo:test", f, lambda r: D.ETH3DStereo(r, split="test"), to=four, **bare)
    here = "FallingThings/single/002_can/kitchen_0"
    f = images(here, ["000000.left.jpg", "000000.right.jpg"]) + images(here, ["000000.left.depth.png", "000000.right.depth.png"], "I;16")
    f += [text(f"{here}/_camera_settings.json", '{"camera_settings": [{"name": "left", "intrinsic_settings": {"fx": 768.16058349609375}}]}')]
    case("FallingThingsStereo", f, lambda r: D.FallingThingsStereo(r), to=four, **bare)
    f = images("InStereo2k/test/7", ["left.png", "right.png"]) + images("InStereo2k/test/7", ["left_disp.png", "right_disp.png"], "I;16")
    case("InStereo2k", f, lambda r: D.InStereo2k(r, split="test"), to=four, **bare)
    f = images("Kitti2012/training/colored_0", ["000000_10.png", "000000_11.png"]) + images("Kitti2012/training/colored_1", ["000000_10.png"]) + images("Kitti2012/training/disp_noc", ["000000_10.png"], "I;16")
    case("Kitti2012Stereo", f, lambda r: D.Kitti2012Stereo(r), to=four, **bare)
    f = images("Kitti2015/training/image_2", ["000000_10.png"]) + images("Kitti2015/training/image_3", ["000000_10.png"]) + images("Kitti2015/training/disp_occ_0", ["000000_10.png"], "I;16") + images("Kitti2015/training/disp_occ_1", ["000000_10.png"], "I;16")
    f += images("Kitti2015/testing/image_2", ["000003_10.png"]) + images("Kitti2015/testing/image_3", ["000003_10.png"])
    case("Kitti2015Stereo", f, lambda r: D.Kitti2015Stereo(r), to=four, **bare)
    case("Kitti2015Stereo:test", f, lambda r: D.Kitti2015Stereo(r, split="test"), to=four, **bare)
    f = sum((images(f"Middlebury2014/train/Piano-{kind}", ["im0.png", "im1.png"]) + [gray(f"Middlebury2014/train/Piano-{kind}/disp{k}.pfm", k) for k in (0, 1)] for kind in ("perfect", "imperfect")), [])
    f[2] = ["hex", f[2][1], f[2][2] + struct.pack("<6f", 1, float("inf"), 0, 2.5, float("inf"), -3).hex()]
    f += images("Middlebury2014/test/Plants", ["im0.png", "im1.png"])
    case("Middlebury2014Stereo", f, lambda r: D.Middlebury2014Stereo(r, calibration="both"), to=four, **bare)
    case("Middlebury2014Stereo:test", f, lambda r: D.Middlebury2014Stereo(r, split="test", calibration=None), to=four, **bare)
    f = sum((images(f"SceneFlow/Monkaa/frames_finalpass/a/{side}", ["1.png"]) + [gray(f"SceneFlow/Monkaa/disparity/a/{side}/1.pfm", 3 + k)] for k, side in enumerate(("left", "right"))), [])
    case("SceneFlowStereo", f, lambda r: D.SceneFlowStereo(r, variant="Monkaa", pass_name="final"), to=four, **bare)
    f = sum((images(f"Sintel/training/{folder}/alley", ["frame_0001.png", "frame_0002.png"], mode) for folder, mode in [("final_left", "RGB"), ("final_right", "RGB"), ("disparities", "RGB"), ("occlusions", "L"), ("outofframe", "L")]), [])
    f += [["png", "Sintel/training/occlusions/alley/frame_0001.png", "Z", 2, 3, 0], ["png", "Sintel/training/outofframe/alley/frame_0001.png", "Z", 2, 3, 1]]
    case("SintelStereo", f, lambda r: D.SintelStereo(r), to=four, **bare)


def videos(R):
    case = R.case
    import torchvision.datasets.samplers as S
    import torchvision.datasets.video_utils as V

    class Decoder:
        """Frames by a formula, as the name of a file says how many: torchvision has no decoder of its own."""

        def __init__(self, path, dimension_order="NCHW"):
            name = path.rsplit("/", 1)[1].split(".")[0]
            self.seed, n = (int(x) for x in name.split("_")[1:])
            self.order = dimension_order
            self.metadata = type("M", (), {"num_frames": n, "average_fps": 24.0})

        def get_frames_at(self, indices):
            frames = torch.tensor([R.noise(self.seed + i, 18) for i in indices], dtype=torch.uint8).reshape(-1, 3, 2, 3)
            return type("F", (), {"data": frames.permute(0, 2, 3, 1) if self.order == "NHWC" else frames})

    class Sound:
        def __init__(self, path):
            raise RuntimeError("no sound")

    codec = type("C", (), {"decoders": type("D", (), {"VideoDecoder": Decoder, "AudioDecoder": Sound})})
    V._get_torchcodec = lambda: codec
    files = lambda root, names: [["text", f"{root}/{n}", ""] for n in names]
    text = lambda path, content: ["text", path, content]
    names = ["run/v_1_9.avi", "run/v_2_3.avi", "jump/v_3_8.avi", "jump/v_4_6.avi"]
    f = files("videos", names) + [text("lists/trainlist02.txt", "run/v_1_9.avi 1\nrun/v_2_3.avi 1\njump/v_4_6.avi 2\n")]
    case("UCF101", f, lambda r: D.UCF101("videos", "lists", 4, step_between_clips=2, fold=2, num_workers=0))
    f = files("videos", names) + [text("lists/run_test_split1.txt", "v_1_9.avi 1\nv_2_3.avi 2 \n"), text("lists/jump_test_split1.txt", "v_3_8.avi 2\nv_4_6.avi 0\n")]
    case("HMDB51", f, lambda r: D.HMDB51("videos", "lists", 3, frame_rate=12, train=False, num_workers=0))
    f = files("val", ["run/v_1_9.mp4", "jump/v_3_8.avi", "jump/v_4_2.mp4"])
    case("Kinetics", f, lambda r: D.Kinetics(r, 3, split="val", num_workers=0), wrap=lambda s: s)
    case("Kinetics:rate", f, lambda r: D.Kinetics(r, 3, split="val", frame_rate=16, num_workers=0))
    uniform = lambda d: list(S.UniformClipSampler(d.video_clips, 3))
    case("UniformClipSampler", f, lambda r: D.Kinetics(r, 3, split="val", num_workers=0), direct=uniform)

    def drawn(d):
        torch.manual_seed(5)
        return list(S.RandomClipSampler(d.video_clips, 4))

    case("RandomClipSampler", f, lambda r: D.Kinetics(r, 3, split="val", num_workers=0), direct=drawn)


def folders(R):
    f = R.images("cat", ["2.png", "1.JPG", "deep/12.png"]) + R.images("dog", ["9.webp", "10.png"])
    f += R.images("empty", ["no.gif"]) + [["text", "cat/2.txt", "none"]]
    some = [x for x in f if not x[1].startswith("empty")]
    R.case("DatasetFolder", some, lambda r: D.DatasetFolder(r, D.folder.pil_loader, (".jpg", ".png")))
    valid = lambda path: "2" in os.path.basename(path) and not path.endswith("txt")
    R.case("ImageFolder:valid", f, lambda r: D.ImageFolder(r, is_valid_file=valid, allow_empty=True), wrap=lambda s: s)


def record(R):
    videos(R)
    labelled(R)
    kinds(R)
    arrays(R)
    captions(R)
    things(R)
    sequences(R)
    flows(R)
    folders(R)
