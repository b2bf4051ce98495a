//! The columns of a file, and the field that each most likely holds.

use super::words::{self, Season};
use super::{one_line, text};
use crate::check::brief;
use crate::mapping::cell;
use crate::mapping::number::number;
use crate::mapping::target::Target;
use crate::names::{folded, tidy};
use crate::record::shape::Kind;
use std::collections::BTreeMap;

/// Maximum number of different words of the column of decisions that are listed.
const MOST_WORDS: usize = 12;
const DATES: [&str; 14] = [
    "%Y-%m-%d",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%d-%m-%Y",
    "%d-%b-%y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%y",
];

pub struct Column<'a> {
    pub at: usize,
    name: Option<&'a str>,
    /// Cells without blanks around them.
    cells: Vec<&'a str>,
    decimal_comma: bool,
}

/// A field, and how it is read from its column.
#[derive(Debug, Clone, Default)]
pub struct Field {
    pub name: &'static str,
    pub column: usize,
    pub pattern: Option<&'static str>,
    /// Inline TOML, such as `factor = 12`.
    pub rules: Vec<String>,
    pub note: String,
}

impl Field {
    pub fn source(&self, column: &Column<'_>) -> String {
        let source = match column.name {
            // Names are compared without invisible characters.
            Some(name) => text(&tidy(name)),
            None => column.at.to_string(),
        };
        if self.pattern.is_none() && self.rules.is_empty() {
            return source;
        }
        let pattern = self.pattern.map(|p| format!("pattern = {}", text(p)));
        let rules: Vec<String> = pattern.into_iter().chain(self.rules.iter().cloned()).collect();
        format!("{{ column = {source}, {} }}", rules.join(", "))
    }
}

impl<'a> Column<'a> {
    pub fn new(at: usize, name: Option<&'a str>, cells: Vec<&'a str>, decimal_comma: bool) -> Self {
        Self { at, name, cells, decimal_comma }
    }

    fn filled(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.cells.iter().copied().filter(|cell| !cell.is_empty())
    }

    /// The share of the filled cells for which `is` holds; 0 if no cell is filled.
    fn share(&self, is: impl Fn(&str) -> bool) -> f64 {
        let (mut all, mut of) = (0u32, 0u32);
        for cell in self.filled() {
            all += 1;
            of += u32::from(is(cell));
        }
        if all == 0 { 0.0 } else { f64::from(of) / f64::from(all) }
    }

    fn numbers(&self) -> impl Iterator<Item = f64> + '_ {
        self.filled().filter_map(|cell| number(cell, self.decimal_comma)).filter(|x| x.is_finite())
    }

    fn is_number(&self) -> bool {
        self.share(|cell| number(cell, self.decimal_comma).is_some()) >= 0.8
    }

    fn is_within(&self, low: f64, high: f64) -> bool {
        self.is_number() && self.share(|c| number(c, self.decimal_comma).is_some_and(|x| x >= low && x <= high)) >= 0.9
    }

    fn highest(&self) -> f64 {
        self.numbers().fold(0.0, f64::max)
    }

    pub fn blanks(&self) -> usize {
        self.cells.iter().filter(|cell| cell.is_empty()).count()
    }

    pub fn label(&self) -> String {
        match self.name {
            Some(name) => brief(name, 40).into_owned(),
            None => self.at.to_string(),
        }
    }

    pub fn example(&self) -> String {
        let first = self.filled().next().unwrap_or_default();
        one_line(&text(&brief(first, 30)))
    }

    /// Whether the column holds probabilities of acceptance in place of decisions.
    pub fn is_share(&self) -> bool {
        self.is_within(0.0, 1.0) && self.numbers().any(|x| x.fract() != 0.0)
    }

    fn is_decision(&self) -> bool {
        self.is_share() || self.share(|cell| words::decision(cell).is_some() || words::is_open(cell)) >= 0.6
    }

    /// The different words for decisions, as the field's pattern finds them, the most frequent first.
    pub fn words(&self, field: &Field) -> Vec<String> {
        let mut words: BTreeMap<String, (usize, String)> = BTreeMap::new();
        for cell in self.filled() {
            let word = match field.pattern {
                Some(_) => cell.split(|c: char| !c.is_alphabetic()).next().unwrap_or(cell),
                None => cell,
            };
            words.entry(folded(word)).or_insert_with(|| (0, word.to_owned())).0 += 1;
        }
        let mut words: Vec<(usize, String)> = words.into_values().collect();
        words.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        words.truncate(MOST_WORDS);
        words.into_iter().map(|(_, word)| word).collect()
    }

    /// The GPA scale that the highest GPA of the column implies; None if the scale may be 4.
    pub fn gpa_scale(&self, field: &Field) -> Option<f64> {
        let highest = match field.pattern {
            None => self.highest(),
            Some(_) => self.filled().filter_map(first_number).fold(0.0, f64::max),
        };
        [(4.0, None), (4.33, Some(4.33)), (5.0, Some(5.0)), (10.0, Some(10.0)), (100.0, Some(100.0))]
            .into_iter()
            .find(|(most, _)| highest <= *most)
            .and_then(|(_, scale)| scale)
    }

    fn date_format(&self) -> Option<&'static str> {
        let day = |cell: &str, format: &str| {
            cell::day(cell, format).is_some()
                || (format == DATES[0] && cell.get(..10).is_some_and(|d| cell::day(d, format).is_some()))
        };
        DATES.into_iter().find(|format| self.share(|cell| day(cell, format)) >= 0.9)
    }

    fn season(&self) -> Option<Season> {
        [Season::Letter, Season::Word, Season::Year]
            .into_iter()
            .find(|season| self.share(|cell| words::season(cell) == Some(*season)) >= 0.6)
    }
}

fn first_number(cell: &str) -> Option<f64> {
    let digits = |c: char| c.is_ascii_digit() || c == '.';
    let from = cell.find(|c: char| c.is_ascii_digit())?;
    let rest = &cell[from..];
    rest[..rest.find(|c| !digits(c)).unwrap_or(rest.len())].parse().ok()
}

/// The fields of a file, in the order in which a mapping lists them.
pub fn fields(columns: &[Column<'_>]) -> Vec<Field> {
    let mut found: Vec<Field> = Vec::new();
    let usual = |name: &str| {
        let own = Target::named_after(name).map(|field| (field, 0));
        own.or_else(|| words::of_name(name).map(|(field, rank)| (field, rank + 1)))
    };
    let mut named: Vec<(usize, &Column<'_>, &'static str)> =
        columns.iter().filter_map(|c| usual(c.name?).map(|(field, rank)| (rank, c, field))).collect();
    // If two columns could be one field, the field's own name is preferred, then the more usual name.
    named.sort_by_key(|(rank, column, _)| (*rank, column.at));
    for (_, column, field) in named {
        read(column, field, &mut found);
    }
    if columns.iter().all(|c| c.name.is_none()) {
        by_content(columns, &mut found);
    }
    for column in columns {
        inside(column, &mut found);
    }
    let order = |name: &str| {
        [
            "data_point_id",
            "university_name",
            "program_name",
            "degree_level",
            "decision",
            "decision_date",
            "application_year",
            "application_cycle",
        ]
        .iter()
        .position(|n| *n == name)
        .unwrap_or(usize::MAX)
    };
    found.sort_by_key(|f| (order(f.name), f.column));
    found
}

fn has(found: &[Field], name: &str) -> bool {
    found.iter().any(|f| f.name == name)
}

fn add(found: &mut Vec<Field>, field: Field) {
    if !has(found, field.name) {
        found.push(field);
    }
}

/// Adds the field if the column's values fit it.
fn read(column: &Column<'_>, name: &'static str, found: &mut Vec<Field>) {
    let at = column.at;
    let mut field = Field { name, column: at, ..Field::default() };
    if column.filled().next().is_none() || has(found, name) {
        return;
    }
    match name {
        "data_point_id" => {
            let mut seen: Vec<&str> = column.filled().collect();
            seen.sort_unstable();
            if seen.windows(2).any(|w| w[0] == w[1]) || column.blanks() > 0 {
                return;
            }
        }
        "decision" => {
            if !column.is_decision() {
                return;
            }
            // `Accepted via E-mail on 3 Mar 2019`
            if column.share(|cell| cell.contains(" on ") || cell.contains(" via ")) >= 0.5 {
                field.pattern = Some(r"^([A-Za-z]+)");
                field.note = "its first word".to_owned();
            }
        }
        "application_year" => return term(column, found),
        "degree_level" => {
            if column.share(|cell| words::degree(cell).is_some()) < 0.3 {
                return;
            }
            field.rules.extend(degrees(column));
        }
        "work_experience_months" => {
            if !column.is_number() {
                return;
            }
            let months = column.name.is_some_and(|n| folded(n).contains("month"));
            if !months && column.highest() <= 45.0 {
                field.rules.push("factor = 12".to_owned());
                field.note = "taken for years".to_owned();
            }
        }
        "gpa" if !column.is_number() => {
            let marked = column.share(|cell| folded(cell).contains("gpa")) >= 0.3;
            let over = column.share(|cell| cell.contains('/') && first_number(cell).is_some()) >= 0.3;
            field.pattern = Some(if marked { r"(?i)gpa\s*:?\s*([\d.]+)" } else { r"^\D*([\d.]+)" });
            if over {
                let scale = Field { name: "gpa_scale", column: at, pattern: Some(r"/\s*([\d.]+)"), ..Field::default() };
                add(found, scale);
            }
            if column.filled().all(|cell| first_number(cell).is_none()) {
                return;
            }
        }
        "sat_total" | "act_total" | "ielts_total" | "toefl_total" | "gmat_total" | "gre_total" | "gre_verbal"
        | "gre_quant" | "gre_analytical" | "gmat_verbal" | "gmat_quant"
            if !column.is_number() =>
        {
            // Several scores in one cell are found by `inside`.
            if column.share(|cell| first_number(cell).is_some()) < 0.5 || has_sections(column) {
                return;
            }
            field.pattern = Some(r"(\d+(?:\.\d+)?)");
        }
        _ => match Target::parse(name).map(Target::kind) {
            Some(Kind::Number | Kind::Whole(_)) if !column.is_number() => return,
            Some(Kind::Date) => match column.date_format() {
                None => return,
                Some("%Y-%m-%d") => {}
                Some(format) => field.rules.push(format!("date_format = {}", text(format))),
            },
            _ => {}
        },
    }
    add(found, field);
}

fn has_sections(column: &Column<'_>) -> bool {
    column.share(|cell| section(cell, 'v') && section(cell, 'q')) >= 0.3
}

/// Whether `V 160` or the like is in the cell.
fn section(cell: &str, letter: char) -> bool {
    let lower = folded(cell);
    lower.split(|c: char| !c.is_alphanumeric()).any(|word| {
        word.starts_with(letter)
            && word.len() <= 13
            && word.chars().skip(1).all(|c| c.is_alphabetic() || c.is_ascii_digit())
    }) && lower.contains(|c: char| c.is_ascii_digit())
}

/// Adds year and cycle from a column of terms.
fn term(column: &Column<'_>, found: &mut Vec<Field>) {
    let Some(season) = column.season() else { return };
    let at = column.at;
    let year = Field { name: "application_year", column: at, ..Field::default() };
    let cycle = Field { name: "application_cycle", column: at, ..Field::default() };
    match season {
        Season::Year => add(found, year),
        Season::Word => {
            add(found, Field { pattern: Some(r"\b((?:19|20)\d\d)\b"), ..year });
            let rules = vec!["values = { autumn = \"fall\" }".to_owned()];
            add(found, Field { pattern: Some(r"(?i)\b(fall|spring|summer|autumn)\b"), rules, ..cycle });
        }
        Season::Letter => {
            add(found, Field { pattern: Some(r"\b[FS](\d\d)\b"), rules: vec!["add = 2000".to_owned()], ..year });
            let rules = vec!["values = { F = \"fall\", S = \"spring\" }".to_owned()];
            add(found, Field { pattern: Some(r"\b([FS])\d\d\b"), rules, ..cycle });
        }
    }
}

/// The `values` rule of a column of degrees, for words that are not the field's own.
fn degrees(column: &Column<'_>) -> Option<String> {
    let mut values: BTreeMap<String, (String, &'static str)> = BTreeMap::new();
    for cell in column.filled() {
        if let Some(degree) = words::degree(cell)
            && folded(cell) != degree
            && values.len() < MOST_WORDS
        {
            values.entry(folded(cell)).or_insert_with(|| (cell.to_owned(), degree));
        }
    }
    let values: Vec<String> = values.values().map(|(cell, degree)| format!("{} = \"{degree}\"", text(cell))).collect();
    (!values.is_empty()).then(|| format!("values = {{ {} }}", values.join(", ")))
}

/// Adds fields from cells with several values: `Masters (F19)`, `V 160 Q 165`, `Accepted on 3 Mar 2019`.
fn inside(column: &Column<'_>, found: &mut Vec<Field>) {
    let at = column.at;
    let short = column.share(|cell| cell.chars().count() <= 80) >= 0.9;
    if !short || column.is_number() {
        return;
    }
    if !has(found, "application_year") {
        term(column, found);
    }
    if !has(found, "degree_level") && column.share(|cell| words::degree(cell).is_some()) >= 0.6 {
        let rules = vec!["values = { masters = \"masters\", master = \"masters\", ms = \"masters\", ma = \"masters\", phd = \"phd\", mba = \"mba\" }".to_owned()];
        let pattern = Some(r"(?i)\b(phd|masters?|ms|ma|mba)\b");
        add(found, Field { name: "degree_level", column: at, pattern, rules, ..Field::default() });
    }
    if has_sections(column) {
        for (name, pattern) in [
            ("gre_verbal", r"(?i)\bv(?:erbal)?\s*:?\s*(\d{3})"),
            ("gre_quant", r"(?i)\bq(?:uant\w*)?\s*:?\s*(\d{3})"),
            ("gre_analytical", r"(?i)\b(?:awa?|w)\s*:?\s*(\d(?:\.\d+)?)"),
        ] {
            add(found, Field { name, column: at, pattern: Some(pattern), ..Field::default() });
        }
    }
    if !has(found, "decision_date")
        && column.share(|cell| cell.contains(" on ") && cell.ends_with(|c: char| c.is_ascii_digit())) >= 0.3
    {
        let rules = vec!["date_format = \"%d %b %Y\"".to_owned()];
        let pattern = Some(r" on (\d{1,2} [A-Za-z]{3} \d{4})$");
        add(found, Field { name: "decision_date", column: at, pattern, rules, ..Field::default() });
    }
}

/// Finds the fields of columns without names by the content of the columns.
fn by_content(columns: &[Column<'_>], found: &mut Vec<Field>) {
    let taken = |found: &[Field], c: &Column<'_>| found.iter().any(|f| f.column == c.at);
    let schools = ["univ", "college", "institut", "school", "polytech"];
    let is_school = |cell: &str| schools.iter().any(|s| folded(cell).contains(s));
    for column in columns {
        if column.share(is_school) >= 0.3 && column.share(|c| c.chars().count() <= 80) >= 0.9 {
            read(column, "university_name", found);
        } else if !column.is_number() && column.is_decision() {
            read(column, "decision", found);
        }
    }
    let sections: Vec<&Column<'_>> = columns.iter().filter(|c| c.is_within(130.0, 170.0)).collect();
    for (column, name) in sections.into_iter().zip(["gre_verbal", "gre_quant"]) {
        read(column, name, found);
    }
    for column in columns.iter().filter(|c| c.is_within(0.5, 10.0) && c.numbers().any(|x| x.fract() != 0.0)) {
        let halves = column.numbers().all(|x| (x * 2.0).fract() == 0.0) && column.highest() <= 6.0;
        if halves && has(found, "gpa") { read(column, "gre_analytical", found) } else { read(column, "gpa", found) }
    }
    let decision = found.iter().find(|f| f.name == "decision").map_or(usize::MAX, |f| f.column);
    if let Some(date) = columns.iter().filter(|c| c.at > decision).find(|c| c.date_format().is_some()) {
        read(date, "decision_date", found);
    }
    let is_name = |c: &&Column<'_>| {
        !taken(found, c)
            && !c.is_number()
            && c.date_format().is_none()
            && c.season().is_none()
            && c.share(|cell| (3..=80).contains(&cell.chars().count())) >= 0.9
    };
    if let Some(program) = columns.iter().find(is_name) {
        let program = Field { name: "program_name", column: program.at, ..Field::default() };
        add(found, program);
    }
}
