//! Tables of text: fields between delimiters, in quotation marks where they hold one.

use flambeau_tensor::{Error, Result};
use std::path::{Path, PathBuf};

/// A table whose first row names the columns.
pub(in crate::datasets) struct Table {
    path: PathBuf,
    header: Vec<String>,
    pub(in crate::datasets) rows: Vec<Vec<String>>,
}

impl Table {
    /// The table in `path`, its fields between `delimiter`s, behind which blanks do not count.
    #[track_caller]
    pub(in crate::datasets) fn read(path: &Path, delimiter: char) -> Result<Table> {
        let mut rows = parse(&super::text(path)?, delimiter);
        if rows.is_empty() {
            return Err(Error::format(path, "the table is empty"));
        }
        let header = rows.remove(0);
        Ok(Table { path: path.to_path_buf(), header, rows })
    }

    /// The place of a column; blanks around its name do not count.
    pub(in crate::datasets) fn column(&self, name: &str) -> Result<usize> {
        let place = self.header.iter().position(|column| column.trim() == name);
        place.ok_or_else(|| Error::format(&self.path, format!("there is no column {name:?} among {:?}", self.header)))
    }

    /// A field of the row with number `row`.
    pub(in crate::datasets) fn field(&self, row: usize, column: usize) -> Result<&str> {
        let field = self.rows.get(row).and_then(|fields| fields.get(column));
        field.map(String::as_str).ok_or_else(|| {
            Error::format(&self.path, format!("row {} has no column {:?}", row + 2, self.header[column]))
        })
    }

    /// A whole number of the row with number `row`.
    pub(in crate::datasets) fn whole(&self, row: usize, column: usize) -> Result<i64> {
        let field = self.field(row, column)?;
        field.trim().parse().map_err(|_| {
            Error::format(
                &self.path,
                format!("row {}: {field:?} is no whole number ({})", row + 2, self.header[column]),
            )
        })
    }
}

/// The rows of a text; empty lines are none.
fn parse(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut started) = (false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted || !started => (quoted, started) = (!quoted, true),
            _ if quoted => field.push(c),
            '\r' => {}
            ' ' if !started => {}
            '\n' => {
                if started || !row.is_empty() {
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                started = false;
            }
            _ if c == delimiter => {
                row.push(std::mem::take(&mut field));
                started = false;
            }
            _ => {
                field.push(c);
                started = true;
            }
        }
    }
    if started || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}
