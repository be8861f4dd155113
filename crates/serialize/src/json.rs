//! The little JSON that a safetensors header is made of: objects, arrays, strings and whole numbers, read
//! with the byte offset of every fault; other values are passed over. A general parser would lose the offsets, the order of the entries,
//! and names that stand twice.

/// What is wrong, and at which byte of the file.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub at: usize,
    pub message: String,
}

impl Fault {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Fault {
        Fault { at, message: message.into() }
    }
}

/// Reads through a text. Offsets are those of the file, in which the text begins at `base`.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    place: usize,
    base: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str, base: usize) -> Self {
        Cursor { text, place: 0, base }
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.base + self.place
    }

    fn fault<T>(&self, message: impl Into<String>) -> Result<T, Fault> {
        Err(Fault::new(self.at(), message))
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.place).copied()
    }

    pub(crate) fn skip_space(&mut self) {
        while matches!(self.next(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.place += 1;
        }
    }

    /// Goes over `byte` if it is the next.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let there = self.next() == Some(byte);
        self.place += usize::from(there);
        there
    }

    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.take(byte) { Ok(()) } else { self.fault(format!("expected `{}`{}", char::from(byte), self.instead())) }
    }

    /// `, found …`, for messages.
    fn instead(&self) -> String {
        match self.text[self.place..].chars().next() {
            Some(c) => format!(", found `{}`", c.escape_debug()),
            None => ", found the end of the header".into(),
        }
    }

    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        self.skip_space();
        if self.next().is_none() {
            Ok(())
        } else {
            self.fault(format!("expected the end of the header{}", self.instead()))
        }
    }

    /// An object: `field` is called before the value of each of its names.
    pub(crate) fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, String, usize) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.expect(b'{')?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.skip_space();
            let at = self.at();
            let name = self.string()?;
            self.expect(b':')?;
            field(self, name, at)?;
            if !self.take(b',') {
                return self.expect(b'}');
            }
        }
    }

    /// An array of at most `most` whole numbers.
    pub(crate) fn numbers(&mut self, most: usize) -> Result<Vec<usize>, Fault> {
        self.expect(b'[')?;
        let mut numbers = Vec::new();
        if self.take(b']') {
            return Ok(numbers);
        }
        loop {
            self.skip_space();
            if numbers.len() == most {
                return self.fault(format!("more than {most} numbers"));
            }
            numbers.push(self.number()?);
            if !self.take(b',') {
                self.expect(b']')?;
                return Ok(numbers);
            }
        }
    }

    /// Goes over `null` if it is the next.
    pub(crate) fn null(&mut self) -> bool {
        self.skip_space();
        let there = self.text[self.place..].starts_with("null");
        self.place += if there { 4 } else { 0 };
        there
    }

    /// Goes over any value.
    pub(crate) fn skip_value(&mut self) -> Result<(), Fault> {
        self.skip_nested(0)
    }

    fn skip_nested(&mut self, depth: usize) -> Result<(), Fault> {
        // As deep as the format's own reader goes.
        const DEEPEST: usize = 128;
        if depth > DEEPEST {
            return self.fault(format!("a value is nested more than {DEEPEST} deep"));
        }
        self.skip_space();
        match self.next() {
            Some(b'{') => self.object(|cursor, _, _| cursor.skip_nested(depth + 1)),
            Some(b'"') => self.string().map(drop),
            Some(b'[') => {
                self.expect(b'[')?;
                if self.take(b']') {
                    return Ok(());
                }
                loop {
                    self.skip_nested(depth + 1)?;
                    if !self.take(b',') {
                        return self.expect(b']');
                    }
                }
            }
            _ => self.skip_word(),
        }
    }

    /// Goes over a number, `true`, `false` or `null`.
    fn skip_word(&mut self) -> Result<(), Fault> {
        let rest = &self.text[self.place..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        let number = word.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && word.parse::<f64>().is_ok();
        if !number && !matches!(word, "true" | "false" | "null") {
            return self.fault(format!("expected a value{}", self.instead()));
        }
        self.place += end;
        Ok(())
    }

    fn number(&mut self) -> Result<usize, Fault> {
        let start = self.place;
        let mut value = 0usize;
        while let Some(digit @ b'0'..=b'9') = self.next() {
            let next = value.checked_mul(10).and_then(|v| v.checked_add(usize::from(digit - b'0')));
            let Some(next) = next else { return self.fault("the number is too large") };
            value = next;
            self.place += 1;
        }
        let digits = &self.text[start..self.place];
        if digits.is_empty() || matches!(self.next(), Some(b'.' | b'e' | b'E')) {
            return self.fault(format!("expected a whole number{}", self.instead()));
        }
        if digits.len() > 1 && digits.starts_with('0') {
            self.place = start;
            return self.fault("a number with a leading 0");
        }
        Ok(value)
    }

    pub(crate) fn string(&mut self) -> Result<String, Fault> {
        self.expect(b'"')?;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.place..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            out.push_str(&rest[..plain]);
            self.place += plain;
            match self.next() {
                Some(b'"') => {
                    self.place += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return self.fault("a control character in a string"),
                None => return self.fault("the header ends in a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.place;
        self.place += 1;
        let Some(kind) = self.next() else { return self.fault("the header ends in a string") };
        self.place += 1;
        let found = match kind {
            b'"' | b'\\' | b'/' => Some(char::from(kind)),
            b'b' => Some('\u{8}'),
            b'f' => Some('\u{c}'),
            b'n' => Some('\n'),
            b'r' => Some('\r'),
            b't' => Some('\t'),
            b'u' => self.unicode(),
            _ => None,
        };
        found.ok_or_else(|| Fault::new(self.base + start, "no such escape in a string"))
    }

    /// The character of `\uXXXX`, or of two that make a pair.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        if !self.text.get(self.place..)?.starts_with("\\u") {
            return None;
        }
        self.place += 2;
        let second = self.hex().filter(|s| (0xdc00..0xe000).contains(s))?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.place..self.place + 4)?;
        let value = digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())??;
        self.place += 4;
        Some(value)
    }
}

/// Puts `text` at the end of `out` as a JSON string.
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back() {
        for text in ["", "layer1.0.weight", "a \"b\" \\ /", "\n\t\u{1}", "é 😀", "\u{7f}"] {
            let mut json = String::new();
            write_string(&mut json, text);
            assert_eq!(Cursor::new(&json, 0).string().as_deref(), Ok(text));
        }
        assert_eq!(Cursor::new(r#""\u00e9\ud83d\ude00\/""#, 0).string().as_deref(), Ok("é😀/"));
    }

    #[test]
    fn faults_say_where() {
        let at = |text: &str| Cursor::new(text, 100).string().expect_err("no string").at;
        assert_eq!(at("\"abc"), 104);
        assert_eq!(at("\"a\\x\""), 102);
        assert_eq!(at("\"\\ud83d!\""), 101);
        assert_eq!(at("\"\\u12é\""), 101);
        assert_eq!(at("\"\\"), 102);
        assert_eq!(at("\"a\u{1}\""), 102);
        let at = |text: &str| Cursor::new(text, 100).numbers(3).expect_err("no numbers").at;
        assert_eq!(at("[1, -2]"), 104);
        assert_eq!(at("[1.5]"), 102);
        assert_eq!(at("[01]"), 101);
        assert_eq!(at("[1,2,3,4]"), 107);
        assert_eq!(at("[99999999999999999999]"), 120);
        assert_eq!(at("[1,]"), 103);
        assert_eq!(at("[1"), 102);
        let at = |text: &str| Cursor::new(text, 100).skip_value().expect_err("no value").at;
        assert_eq!(at("[1, x]"), 104);
        assert_eq!(at("{\"a\": nul}"), 106);
        assert_eq!(at("[-]"), 101);
        assert_eq!(at(""), 100);
        assert_eq!(at(&"[".repeat(1000)), 229);
    }

    #[test]
    fn values_are_passed_over() {
        for text in
            ["1", "-1.5e-7", "\"a\\\"]\"", "null", "true", "[]", "[1, [2, {}], \"x\"]", "{\"a\": {\"b\": [false]}}"]
        {
            let text = format!(" {text} ,");
            let mut cursor = Cursor::new(&text, 0);
            assert_eq!(cursor.skip_value(), Ok(()), "{text}");
            assert_eq!(cursor.expect(b','), Ok(()), "{text}");
        }
    }
}
