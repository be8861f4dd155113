//! Photographs with sentences about them.

use super::coco::{image_list, whole};
use super::items::{Found, image_sets};
use super::readers::{fault, glob, json, lines, text};
use crate::io::pil_loader;
use flambeau_tensor::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

image_sets! {
    /// Photographs with sentences in COCO's JSON, as `torchvision.datasets.CocoCaptions`: in the order of their numbers.
    ///
    /// An item is an image, `u8` `[3, H, W]` where no transform makes something else of it, and its sentences.
    CocoCaptions, CocoCaptionsBuilder: Vec<String>, pil_loader;
    new {
        /// The folder of the images.
        root: ~into PathBuf,
        /// The file of the annotations.
        ann_file: ~into PathBuf,
    }
    options {}
    find coco_captions;

    /// Photographs with sentences in a page of HTML, as `torchvision.datasets.Flickr8k`.
    ///
    /// An item is an image, `u8` `[3, H, W]` where no transform makes something else of it, and its sentences.
    Flickr8k, Flickr8kBuilder: Vec<String>, pil_loader;
    new {
        /// The folder of the images.
        root: ~into PathBuf,
        /// The file of the sentences.
        ann_file: ~into PathBuf,
    }
    options {}
    find |b: &Flickr8kBuilder| flickr8k(&b.root, &b.ann_file);

    /// Photographs with sentences in lines of `1000.jpg#0`, a tab and the sentence, as `torchvision.datasets.Flickr30k`.
    ///
    /// An item is an image, `u8` `[3, H, W]` where no transform makes something else of it, and its sentences.
    Flickr30k, Flickr30kBuilder: Vec<String>, pil_loader;
    new {
        /// The folder of the images.
        root: ~into PathBuf,
        /// The file of the sentences.
        ann_file: ~into PathBuf,
    }
    options {}
    find |b: &Flickr30kBuilder| flickr30k(&b.root, &b.ann_file);

    /// Photographs with a sentence each, as `torchvision.datasets.SBU`: `dataset/SBU_captioned_photo_dataset_urls.txt`,
    /// `dataset/SBU_captioned_photo_dataset_captions.txt`, and of the photographs those that are there.
    ///
    /// An item is an image, `u8` `[3, H, W]` where no transform makes something else of it, and its sentence.
    Sbu, SbuBuilder: String, pil_loader;
    new {
        /// The folder that holds the folder of the data set.
        root: ~into PathBuf,
    }
    options {}
    find |b: &SbuBuilder| sbu(&b.root);
}

#[track_caller]
fn coco_captions(b: &CocoCaptionsBuilder) -> Result<Found<Vec<String>>> {
    let json = json(&b.ann_file)?;
    let fault = |fault: String| Error::format(&b.ann_file, fault);
    let mut images = image_list::<String>(&json).map_err(fault)?;
    for annotation in json.get("annotations").and_then(|list| list.as_array()).into_iter().flatten() {
        let caption = annotation.get("caption").and_then(|caption| caption.as_str());
        let caption = caption.ok_or_else(|| fault(format!("an annotation without caption: {annotation}")))?;
        if let Some((_, captions)) = images.get_mut(&whole(annotation, "image_id").map_err(fault)?) {
            captions.push(caption.to_string());
        }
    }
    Ok(Found::new(images.into_values().map(|(name, captions)| (b.root.join(name), captions))))
}

/// In a table of the page, `<a>` tells the address of a photograph and each `<li>` one of its sentences.
#[track_caller]
fn flickr8k(root: &Path, page: &Path) -> Result<Found<Vec<String>>> {
    let mut found = BTreeMap::<PathBuf, Vec<String>>::new();
    let (html, mut tag, mut table, mut current) = (text(page)?, "", false, None);
    let mut rest = html.as_str();
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('<') {
            let end = inside.find('>').unwrap_or(inside.len());
            let name = &inside[..end];
            rest = inside.get(end + 1..).unwrap_or_default();
            let closes = name.starts_with('/');
            let name = name.trim_start_matches('/').split_whitespace().next().unwrap_or_default().trim_end_matches('/');
            tag = if closes { "" } else { name };
            if name == "table" {
                table = !closes;
            }
            continue;
        }
        let end = rest.find('<').unwrap_or(rest.len());
        let data = &rest[..end];
        rest = &rest[end..];
        match (table, tag) {
            (true, _) if data == "Image Not Found" => current = None,
            (true, "a") => {
                let id = data.rsplit('/').nth(1).unwrap_or_default();
                let path = glob(root, &format!("{id}_*.jpg")).into_iter().next();
                let path = path.ok_or_else(|| Error::format(page, format!("{data:?}: there is no {id}_*.jpg")))?;
                found.insert(path.clone(), Vec::new());
                current = Some(path);
            }
            (true, "li") => {
                if let Some(captions) = current.as_ref().and_then(|path| found.get_mut(path)) {
                    captions.push(data.trim().to_string());
                }
            }
            _ => {}
        }
    }
    Ok(Found::new(found))
}

#[track_caller]
fn flickr30k(root: &Path, list: &Path) -> Result<Found<Vec<String>>> {
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for (i, line) in lines(list)?.iter().enumerate() {
        let parts = line
            .split_once('\t')
            .filter(|(image, text)| image.is_char_boundary(image.len().saturating_sub(2)) && !text.contains('\t'));
        let (image, caption) = parts.ok_or_else(|| fault(list, i, line, "IMAGE#NUMBER\\tSENTENCE"))?;
        found.entry(image[..image.len().saturating_sub(2)].to_string()).or_default().push(caption.to_string());
    }
    Ok(Found::new(found.into_iter().map(|(image, captions)| (root.join(image), captions))))
}

#[track_caller]
fn sbu(root: &Path) -> Result<Found<String>> {
    let folder = root.join("dataset");
    let [addresses, captions] =
        ["urls", "captions"].map(|name| lines(&folder.join(format!("SBU_captioned_photo_dataset_{name}.txt"))));
    let file =
        |(address, caption): (String, String)| (folder.join(address.rsplit('/').next().unwrap_or_default()), caption);
    Ok(Found::new(addresses?.into_iter().zip(captions?).map(file).filter(|(path, _)| path.exists())))
}
