//! Colours by name, by number and by turns.

use flambeau_tensor::alloc::check_bytes;
use flambeau_tensor::{Result, bail, ensure};

/// A colour: `"red"` and the other names of CSS, `"#f0a"`, `"#ff00aa"`, or red, green and blue as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Color(Spelled);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Spelled {
    Rgb([u8; 3]),
    Text(String),
}

impl Color {
    /// Red, green, blue.
    ///
    /// # Errors
    /// Where it is a text that names no colour.
    #[track_caller]
    pub fn rgb(&self) -> Result<[u8; 3]> {
        let text = match &self.0 {
            Spelled::Rgb(rgb) => return Ok(*rgb),
            Spelled::Text(text) => text.to_ascii_lowercase(),
        };
        if let Ok(at) = NAMES.binary_search_by(|(name, _)| (*name).cmp(&text)) {
            return Ok([16, 8, 0].map(|shift| (NAMES[at].1 >> shift) as u8));
        }
        let digits: Option<Vec<u8>> =
            text.strip_prefix('#').and_then(|hex| hex.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect());
        match digits.as_deref() {
            Some([r, g, b]) => Ok([r * 17, g * 17, b * 17]),
            Some([r, s, g, h, b, c]) => Ok([r << 4 | s, g << 4 | h, b << 4 | c]),
            _ => bail!(Argument, "Color", "`{text}` names no colour: neither a name of CSS nor #rgb nor #rrggbb"),
        }
    }
}

impl From<[u8; 3]> for Color {
    fn from(rgb: [u8; 3]) -> Self {
        Color(Spelled::Rgb(rgb))
    }
}

impl From<(u8, u8, u8)> for Color {
    fn from((r, g, b): (u8, u8, u8)) -> Self {
        [r, g, b].into()
    }
}

impl From<&str> for Color {
    fn from(text: &str) -> Self {
        Color(Spelled::Text(text.into()))
    }
}

/// The colours of several things: one for all, or a list with one for each. Without any, a palette's by turns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Colors(Option<Choice>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    All(Color),
    Each(Vec<Color>),
}

impl<C: Into<Color>> From<C> for Colors {
    fn from(color: C) -> Self {
        Colors(Some(Choice::All(color.into())))
    }
}

impl<C: Into<Color>> From<Vec<C>> for Colors {
    fn from(colors: Vec<C>) -> Self {
        Colors(Some(Choice::Each(colors.into_iter().map(Into::into).collect())))
    }
}

impl Colors {
    /// Whether any were given.
    pub(super) fn given(&self) -> bool {
        self.0.is_some()
    }

    /// Red, green, blue of each of `n` things.
    #[track_caller]
    pub(super) fn each(&self, op: &'static str, n: usize) -> Result<Vec<[u8; 3]>> {
        check_bytes(op, n.saturating_mul(size_of::<[u8; 3]>()))?;
        match &self.0 {
            // torchvision's palette.
            None => {
                Ok((0..n as u64).map(|i| [33_554_431u64, 32_767, 2_097_151].map(|c| (i * c % 255) as u8)).collect())
            }
            Some(Choice::All(color)) => Ok(vec![color.rgb()?; n]),
            Some(Choice::Each(colors)) => {
                ensure!(colors.len() >= n, Argument, op, "{} colours are too few for {n}", colors.len());
                colors[..n].iter().map(Color::rgb).collect()
            }
        }
    }
}

/// The names of CSS, in order.
const NAMES: &[(&str, u32)] = &[
    ("aliceblue", 0xf0f8ff),
    ("antiquewhite", 0xfaebd7),
    ("aqua", 0x00ffff),
    ("aquamarine", 0x7fffd4),
    ("azure", 0xf0ffff),
    ("beige", 0xf5f5dc),
    ("bisque", 0xffe4c4),
    ("black", 0x000000),
    ("blanchedalmond", 0xffebcd),
    ("blue", 0x0000ff),
    ("blueviolet", 0x8a2be2),
    ("brown", 0xa52a2a),
    ("burlywood", 0xdeb887),
    ("cadetblue", 0x5f9ea0),
    ("chartreuse", 0x7fff00),
    ("chocolate", 0xd2691e),
    ("coral", 0xff7f50),
    ("cornflowerblue", 0x6495ed),
    ("cornsilk", 0xfff8dc),
    ("crimson", 0xdc143c),
    ("cyan", 0x00ffff),
    ("darkblue", 0x00008b),
    ("darkcyan", 0x008b8b),
    ("darkgoldenrod", 0xb8860b),
    ("darkgray", 0xa9a9a9),
    ("darkgreen", 0x006400),
    ("darkgrey", 0xa9a9a9),
    ("darkkhaki", 0xbdb76b),
    ("darkmagenta", 0x8b008b),
    ("darkolivegreen", 0x556b2f),
    ("darkorange", 0xff8c00),
    ("darkorchid", 0x9932cc),
    ("darkred", 0x8b0000),
    ("darksalmon", 0xe9967a),
    ("darkseagreen", 0x8fbc8f),
    ("darkslateblue", 0x483d8b),
    ("darkslategray", 0x2f4f4f),
    ("darkslategrey", 0x2f4f4f),
    ("darkturquoise", 0x00ced1),
    ("darkviolet", 0x9400d3),
    ("deeppink", 0xff1493),
    ("deepskyblue", 0x00bfff),
    ("dimgray", 0x696969),
    ("dimgrey", 0x696969),
    ("dodgerblue", 0x1e90ff),
    ("firebrick", 0xb22222),
    ("floralwhite", 0xfffaf0),
    ("forestgreen", 0x228b22),
    ("fuchsia", 0xff00ff),
    ("gainsboro", 0xdcdcdc),
    ("ghostwhite", 0xf8f8ff),
    ("gold", 0xffd700),
    ("goldenrod", 0xdaa520),
    ("gray", 0x808080),
    ("green", 0x008000),
    ("greenyellow", 0xadff2f),
    ("grey", 0x808080),
    ("honeydew", 0xf0fff0),
    ("hotpink", 0xff69b4),
    ("indianred", 0xcd5c5c),
    ("indigo", 0x4b0082),
    ("ivory", 0xfffff0),
    ("khaki", 0xf0e68c),
    ("lavender", 0xe6e6fa),
    ("lavenderblush", 0xfff0f5),
    ("lawngreen", 0x7cfc00),
    ("lemonchiffon", 0xfffacd),
    ("lightblue", 0xadd8e6),
    ("lightcoral", 0xf08080),
    ("lightcyan", 0xe0ffff),
    ("lightgoldenrodyellow", 0xfafad2),
    ("lightgray", 0xd3d3d3),
    ("lightgreen", 0x90ee90),
    ("lightgrey", 0xd3d3d3),
    ("lightpink", 0xffb6c1),
    ("lightsalmon", 0xffa07a),
    ("lightseagreen", 0x20b2aa),
    ("lightskyblue", 0x87cefa),
    ("lightslategray", 0x778899),
    ("lightslategrey", 0x778899),
    ("lightsteelblue", 0xb0c4de),
    ("lightyellow", 0xffffe0),
    ("lime", 0x00ff00),
    ("limegreen", 0x32cd32),
    ("linen", 0xfaf0e6),
    ("magenta", 0xff00ff),
    ("maroon", 0x800000),
    ("mediumaquamarine", 0x66cdaa),
    ("mediumblue", 0x0000cd),
    ("mediumorchid", 0xba55d3),
    ("mediumpurple", 0x9370db),
    ("mediumseagreen", 0x3cb371),
    ("mediumslateblue", 0x7b68ee),
    ("mediumspringgreen", 0x00fa9a),
    ("mediumturquoise", 0x48d1cc),
    ("mediumvioletred", 0xc71585),
    ("midnightblue", 0x191970),
    ("mintcream", 0xf5fffa),
    ("mistyrose", 0xffe4e1),
    ("moccasin", 0xffe4b5),
    ("navajowhite", 0xffdead),
    ("navy", 0x000080),
    ("oldlace", 0xfdf5e6),
    ("olive", 0x808000),
    ("olivedrab", 0x6b8e23),
    ("orange", 0xffa500),
    ("orangered", 0xff4500),
    ("orchid", 0xda70d6),
    ("palegoldenrod", 0xeee8aa),
    ("palegreen", 0x98fb98),
    ("paleturquoise", 0xafeeee),
    ("palevioletred", 0xdb7093),
    ("papayawhip", 0xffefd5),
    ("peachpuff", 0xffdab9),
    ("peru", 0xcd853f),
    ("pink", 0xffc0cb),
    ("plum", 0xdda0dd),
    ("powderblue", 0xb0e0e6),
    ("purple", 0x800080),
    ("rebeccapurple", 0x663399),
    ("red", 0xff0000),
    ("rosybrown", 0xbc8f8f),
    ("royalblue", 0x4169e1),
    ("saddlebrown", 0x8b4513),
    ("salmon", 0xfa8072),
    ("sandybrown", 0xf4a460),
    ("seagreen", 0x2e8b57),
    ("seashell", 0xfff5ee),
    ("sienna", 0xa0522d),
    ("silver", 0xc0c0c0),
    ("skyblue", 0x87ceeb),
    ("slateblue", 0x6a5acd),
    ("slategray", 0x708090),
    ("slategrey", 0x708090),
    ("snow", 0xfffafa),
    ("springgreen", 0x00ff7f),
    ("steelblue", 0x4682b4),
    ("tan", 0xd2b48c),
    ("teal", 0x008080),
    ("thistle", 0xd8bfd8),
    ("tomato", 0xff6347),
    ("turquoise", 0x40e0d0),
    ("violet", 0xee82ee),
    ("wheat", 0xf5deb3),
    ("white", 0xffffff),
    ("whitesmoke", 0xf5f5f5),
    ("yellow", 0xffff00),
    ("yellowgreen", 0x9acd32),
];
