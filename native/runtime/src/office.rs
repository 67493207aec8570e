//! What a Word document or a slide deck says, as Markdown for a look: headings, paragraphs, lists and tables, without its layout. Packages
//! come from anywhere: nothing of them is obeyed, references to elsewhere are not followed, and every size is bounded by the caller's look
//! at the package and by the limits here.

use std::io::{Cursor, Read};

use openwrap_contracts::limits::PREVIEW_FILE_BYTES_MAX;

/// Bytes of one part that are read.
const PART_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Slides that are read.
const SLIDES_MAX: usize = 300;
/// Bytes of one tag; what is longer is no tag of a document.
const TAG_BYTES_MAX: usize = 64 * 1024;

/// Bytes of the name of an entity.
const ENTITY_BYTES_MAX: usize = 8;

type Package<'a> = zip::ZipArchive<Cursor<&'a [u8]>>;

/// Markdown and whether it was cut; none when it is no such package or says nothing.
pub fn markdown(bytes: &[u8], ending: &str) -> Option<(String, bool)> {
    let mut package = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut page = Page::default();
    if ending == "docx" {
        page.read_part(&mut package, "word/document.xml")?;
    } else {
        for (number, name) in slides(&package) {
            if page.cut {
                break;
            }
            page.slide(number);
            page.read_part(&mut package, &name)?;
        }
    }
    (!page.text.trim().is_empty()).then_some((page.text, page.cut))
}

/// By number.
fn slides(package: &Package<'_>) -> Vec<(usize, String)> {
    let number = |name: &str| {
        let inner = name.strip_prefix("ppt/slides/slide")?.strip_suffix(".xml")?;
        inner.parse::<usize>().ok()
    };
    let names = package.file_names();
    let mut found: Vec<(usize, String)> = names
        .filter_map(Result::ok)
        .filter_map(|name| number(&name).map(|number| (number, name.into_owned())))
        .collect();
    found.sort_unstable();
    found.truncate(SLIDES_MAX);
    found
}

/// A page as it is written, and where in the document it is.
#[derive(Default)]
struct Page {
    text: String,
    cut: bool,
    /// Text of the paragraph under way.
    paragraph: String,
    /// 0: no heading.
    level: usize,
    listed: bool,
    /// Within an element whose text counts.
    speaking: bool,
    /// The shape is a slide's title.
    title: bool,
    /// The shape is a slide's foot: its number, the date, what stands on every slide.
    foot: bool,
    tables: usize,
    /// Cells of the row under way, of the outermost table.
    row: Vec<String>,
    rows: usize,
    /// Within what stands in for something that was read already.
    fallbacks: usize,
}

impl Page {
    fn slide(&mut self, number: usize) {
        self.push(&format!("---\n\nSlide {number}\n\n"));
    }

    fn push(&mut self, text: &str) {
        if self.text.len() + text.len() > PREVIEW_FILE_BYTES_MAX {
            self.cut = true;
        } else {
            self.text.push_str(text);
        }
    }

    fn read_part(&mut self, package: &mut Package<'_>, name: &str) -> Option<()> {
        let mut bytes = Vec::new();
        let part = package.by_name(name).ok()?;
        part.take(PART_BYTES_MAX + 1).read_to_end(&mut bytes).ok()?;
        let more = bytes.len() as u64 > PART_BYTES_MAX;
        self.read(&String::from_utf8_lossy(&bytes));
        self.cut |= more;
        Some(())
    }

    fn read(&mut self, xml: &str) {
        let mut rest = xml;
        while !self.cut {
            let Some(open) = rest.find('<') else { return };
            if self.speaking && self.fallbacks == 0 {
                self.paragraph.push_str(&decoded(&rest[..open]));
            }
            let Some(close) = rest[open..].find('>').filter(|length| *length < TAG_BYTES_MAX) else {
                return;
            };
            self.tag(&rest[open + 1..open + close]);
            rest = &rest[open + close + 1..];
        }
    }

    fn tag(&mut self, tag: &str) {
        let (tag, ends) = tag.strip_prefix('/').map_or((tag, false), |tag| (tag, true));
        let alone = tag.ends_with('/');
        let name = tag.split([' ', '\t', '\n', '\r', '/']).next().unwrap_or_default();
        let local = name.rsplit_once(':').map_or(name, |(_, local)| local);
        match (local, ends) {
            ("Fallback", false) if !alone => self.fallbacks += 1,
            ("Fallback", true) => self.fallbacks = self.fallbacks.saturating_sub(1),
            _ if self.fallbacks > 0 => {}
            (_, false) => self.starts(local, tag, alone),
            (_, true) => self.ends(local),
        }
    }

    fn starts(&mut self, local: &str, tag: &str, alone: bool) {
        match local {
            "t" => self.speaking = !alone,
            "tab" | "br" | "cr" => self.paragraph.push(' '),
            "p" => {
                self.paragraph.clear();
                self.level = usize::from(self.title);
                self.listed = false;
            }
            "pStyle" => {
                let style = attribute(tag, "val").unwrap_or_default();
                let heading = style.strip_prefix("Heading").and_then(|level| level.parse().ok());
                self.level = heading.map_or(usize::from(style == "Title"), |level: usize| level.clamp(1, 6));
            }
            "numPr" | "buChar" | "buAutoNum" => self.listed = true,
            "sp" => (self.title, self.foot) = (false, false),
            "ph" => {
                let kind = attribute(tag, "type").unwrap_or_default();
                self.title = matches!(kind.as_str(), "title" | "ctrTitle");
                self.foot = matches!(kind.as_str(), "ftr" | "sldNum" | "dt" | "hdr");
            }
            "tbl" if !alone => {
                self.tables += 1;
                if self.tables == 1 {
                    self.rows = 0;
                }
            }
            "tr" if self.tables == 1 => self.row.clear(),
            "tc" if self.tables == 1 => self.row.push(String::new()),
            _ => {}
        }
    }

    fn ends(&mut self, local: &str) {
        match local {
            "t" => self.speaking = false,
            "p" => self.paragraph_ends(),
            "tr" if self.tables == 1 => self.row_ends(),
            "tbl" => {
                self.tables = self.tables.saturating_sub(1);
                if self.tables == 0 {
                    self.push("\n");
                }
            }
            _ => {}
        }
    }

    fn paragraph_ends(&mut self) {
        let words: Vec<&str> = self.paragraph.split_whitespace().collect();
        let text = escaped(&words.join(" "));
        self.paragraph.clear();
        if text.is_empty() || self.foot {
            return;
        }
        if self.tables > 0 {
            if let Some(cell) = self.row.last_mut() {
                if !cell.is_empty() {
                    cell.push(' ');
                }
                cell.push_str(&text);
            }
            return;
        }
        let line = match (self.level, self.listed) {
            (0, true) => format!("- {text}\n\n"),
            (0, false) => format!("{text}\n\n"),
            (level, _) => format!("{} {text}\n\n", "#".repeat(level)),
        };
        self.push(&line);
    }

    fn row_ends(&mut self) {
        let cells = std::mem::take(&mut self.row);
        self.push(&format!("| {} |\n", cells.join(" | ")));
        if self.rows == 0 {
            self.push(&format!("|{}\n", " --- |".repeat(cells.len())));
        }
        self.rows += 1;
    }
}

/// Value of an attribute by its local name.
fn attribute(tag: &str, wanted: &str) -> Option<String> {
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once('=') {
        let name = before.rsplit([' ', '\t', '\n', '\r', ':']).next().unwrap_or_default();
        let after = after.trim_start();
        let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let (value, further) = after[1..].split_once(quote)?;
        if name == wanted {
            return Some(decoded(value));
        }
        rest = further;
    }
    None
}

/// The five entities of XML and characters by number; any other stays as it is written.
fn decoded(text: &str) -> String {
    let mut found = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        found.push_str(before);
        // No further than that, or many that never end would be read to the end each.
        let end = after.bytes().take(ENTITY_BYTES_MAX + 1).position(|byte| byte == b';');
        let entity = end.and_then(|end| Some((after.get(..end)?, after.get(end + 1..)?)));
        let char = entity.and_then(|(entity, _)| match entity {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            other => {
                let number = other.strip_prefix('#')?;
                let hex = number.strip_prefix(['x', 'X']);
                let code = hex.map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok())?;
                char::from_u32(code)
            }
        });
        match (char, entity) {
            (Some(char), Some((_, further))) => {
                found.push(char);
                rest = further;
            }
            _ => {
                found.push('&');
                rest = after;
            }
        }
    }
    found.push_str(rest);
    found
}

/// As text of a Markdown line, whatever it holds.
fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~') {
            line.push('\\');
        }
        line.push(char);
    }
    // What would begin a list or a rule.
    let marker = line.trim_start_matches(|char: char| char.is_ascii_digit());
    if marker.starts_with(['-', '+', '.', ')', '=']) {
        line.insert(line.len() - marker.len(), '\\');
    }
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    fn package(parts: &[(&str, &str)]) -> Vec<u8> {
        let mut package = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in parts {
            package
                .start_file(*name, zip::write::SimpleFileOptions::default())
                .unwrap();
            package.write_all(text.as_bytes()).unwrap();
        }
        package.finish().unwrap().into_inner()
    }

    #[test]
    fn a_document_is_read_with_headings_lists_and_tables() {
        let xml = r#"<?xml version="1.0"?><w:document><w:body>
            <w:p><w:pPr><w:pStyle w:val="Heading2"/></w:pPr><w:r><w:t>Rain &amp; wind</w:t></w:r></w:p>
            <w:p><w:r><w:t xml:space="preserve">It is </w:t></w:r><w:r><w:t>*not* 1&#x20;step</w:t><w:tab/><w:t>on</w:t></w:r></w:p>
            <w:p><w:pPr><w:numPr><w:ilvl w:val="0"/></w:numPr></w:pPr><w:r><w:t>first</w:t></w:r></w:p>
            <w:p><w:r><w:t>- no list</w:t></w:r><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>
            <w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p/></w:tc></w:tr>
            <w:tr><w:tc><w:p><w:r><w:t>b|c</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>2</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
            <mc:AlternateContent><mc:Fallback><w:p><w:r><w:t>twice</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent>
            </w:body></w:document>"#;
        let (text, cut) = markdown(&package(&[("word/document.xml", xml)]), "docx").unwrap();
        let wanted = "## Rain & wind\n\nIt is \\*not\\* 1 step on\n\n- first\n\n\\- no list\n\n| a |  |\n| --- | --- |\n| b\\|c | 2 |\n\n";
        assert_eq!((text.as_str(), cut), (wanted, false));
    }

    #[test]
    fn slides_are_read_in_their_order_with_their_titles() {
        let slide = |title: &str, more: &str| {
            format!(
                r#"<p:sld><p:sp><p:nvPr><p:ph type="title"/></p:nvPr><a:p><a:r><a:t>{title}</a:t></a:r></a:p></p:sp>
                <p:sp><p:nvPr><p:ph idx="1"/></p:nvPr><a:p><a:pPr><a:buChar char="x"/></a:pPr><a:r><a:t>{more}</a:t></a:r></a:p></p:sp>
                <p:sp><p:nvPr><p:ph type="ftr"/></p:nvPr><a:p><a:r><a:t>on every slide</a:t></a:r></a:p></p:sp></p:sld>"#
            )
        };
        let parts = [
            ("ppt/slides/slide10.xml", slide("Ten", "z")),
            ("ppt/slides/slide2.xml", slide("Two", "y")),
            ("ppt/slides/_rels/slide2.xml.rels", String::new()),
        ];
        let parts: Vec<(&str, &str)> = parts.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let (text, _) = markdown(&package(&parts), "pptx").unwrap();
        assert_eq!(
            text,
            "---\n\nSlide 2\n\n# Two\n\n- y\n\n---\n\nSlide 10\n\n# Ten\n\n- z\n\n"
        );
    }

    #[test]
    fn what_is_broken_hostile_or_too_long_holds_nothing_up() {
        assert!(markdown(b"no package", "docx").is_none());
        assert!(markdown(&package(&[("word/other.xml", "x")]), "docx").is_none());
        for broken in [
            "<",
            "<w:t",
            "<w:t>never closed",
            "</w:p></w:tbl></mc:Fallback>",
            "&;<>&#xffffffff;",
        ] {
            assert!(markdown(&package(&[("word/document.xml", broken)]), "docx").is_none());
        }
        let entities = "<!DOCTYPE x [<!ENTITY a \"b\">]><w:p><w:t>&a;&#0;&amp;amp;</w:t></w:p>";
        let (text, _) = markdown(&package(&[("word/document.xml", entities)]), "docx").unwrap();
        assert_eq!(text, "&a;\0&amp;\n\n");
        // Entities that never end: each is looked at once.
        let endless = format!("<w:p><w:t>a{}</w:t></w:p>", "&".repeat(PREVIEW_FILE_BYTES_MAX * 2));
        let both = format!("<w:p><w:t>x&amp ;&longername;&é;</w:t></w:p>{endless}");
        let (text, cut) = markdown(&package(&[("word/document.xml", &both)]), "docx").unwrap();
        assert_eq!((text.as_str(), cut), ("x&amp ;&longername;&é;\n\n", true));
        let rest = " ".repeat(usize::try_from(PART_BYTES_MAX).unwrap());
        let more = format!("<w:p><w:t>begin</w:t></w:p>{rest}<w:p><w:t>end</w:t></w:p>");
        let (text, cut) = markdown(&package(&[("word/document.xml", &more)]), "docx").unwrap();
        assert_eq!((text.as_str(), cut), ("begin\n\n", true));
        let long = "<w:p><w:t>words and words</w:t></w:p>".repeat(PREVIEW_FILE_BYTES_MAX / 10);
        let (text, cut) = markdown(&package(&[("word/document.xml", &long)]), "docx").unwrap();
        assert!(cut && text.len() <= PREVIEW_FILE_BYTES_MAX);
    }
}
