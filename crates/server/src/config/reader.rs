//! Reads settings one by one and remembers where each was written, so that whatever is wrong is said with its line.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

use toml::de::{DeTable, DeValue};

/// Before the names of environment variables that override settings.
const PREFIX: &str = "HOLDFAST_";

/// A configuration that cannot be used, with the place and the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {text}")]
pub(crate) struct ConfigError {
    place: Place,
    text: String,
}

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Line { file: String, line: usize },
    Variable(String),
    File(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, "{file}, line {line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::File(file) => write!(f, "{file}"),
        }
    }
}

#[derive(Debug, Clone)]
enum Raw {
    Text(String),
    Number(String),
    Flag(bool),
    List(Vec<String>),
    /// Written in the environment: what it is depends on who reads it.
    Variable(String),
    Other(&'static str),
}

/// A value with the place that it came from.
#[derive(Debug, Clone)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    key: String,
    place: Place,
}

impl<T> Setting<T> {
    /// Refuses the value.
    pub(crate) fn wrong(&self, why: impl fmt::Display) -> ConfigError {
        ConfigError { place: self.place.clone(), text: format!("{}: {why}", self.key) }
    }

    pub(crate) fn map<U>(
        self,
        convert: impl FnOnce(T) -> Result<U, String>,
    ) -> Result<Setting<U>, ConfigError> {
        let Self { value, key, place } = self;
        match convert(value) {
            Ok(value) => Ok(Setting { value, key, place }),
            Err(why) => Err(ConfigError { place, text: format!("{key}: {why}") }),
        }
    }
}

/// One section, or one entry of a repeated one.
#[derive(Debug)]
pub(crate) struct Section {
    name: String,
    place: Place,
    entries: BTreeMap<String, (Raw, Place)>,
}

/// All sections of a configuration.
#[derive(Debug)]
pub(crate) struct Sections {
    single: BTreeMap<&'static str, Section>,
    repeated: BTreeMap<&'static str, VecDeque<Section>>,
    file: String,
}

impl Sections {
    /// Reads `text`, then the `variables` of the environment over it: `HOLDFAST_SECTION_KEY`, and
    /// `HOLDFAST_SECTION_0_KEY` for the first entry of a repeated section. `single` and `repeated` are the known sections.
    pub(crate) fn read(
        path: &Path,
        text: &str,
        variables: impl Iterator<Item = (String, String)>,
        single: &[&'static str],
        repeated: &[&'static str],
    ) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let line_at = |offset: usize| Place::Line {
            file: file.clone(),
            line: text.get(..offset).unwrap_or(text).matches('\n').count() + 1,
        };
        let table = DeTable::parse(text).map_err(|error| ConfigError {
            place: line_at(error.span().map_or(0, |span| span.start)),
            text: error.message().to_owned(),
        })?;
        let mut sections = Self {
            single: BTreeMap::new(),
            repeated: repeated.iter().map(|name| (*name, VecDeque::new())).collect(),
            file: file.clone(),
        };
        for (name, value) in table.get_ref() {
            let place = line_at(name.span().start);
            let refused = |text: String| Err(ConfigError { place: place.clone(), text });
            let known = single.iter().find(|known| **known == name.get_ref().as_ref());
            let known_repeated = repeated.iter().find(|known| **known == name.get_ref().as_ref());
            match (known, known_repeated, value.get_ref()) {
                (Some(known), _, DeValue::Table(table)) => {
                    let section = Section::read((*known).to_owned(), place, table, &line_at);
                    sections.single.insert(known, section);
                }
                (_, Some(known), DeValue::Array(entries)) => {
                    let list = sections.repeated.entry(known).or_default();
                    for entry in entries {
                        let place = line_at(entry.span().start);
                        let DeValue::Table(table) = entry.get_ref() else {
                            return refused(format!("{known} must be sections [[{known}]]"));
                        };
                        let name = format!("{known}[{}]", list.len());
                        list.push_back(Section::read(name, place, table, &line_at));
                    }
                }
                (Some(known), _, _) => {
                    return refused(format!("{known} must be a section [{known}]"));
                }
                (_, Some(known), _) => {
                    return refused(format!("{known} must be sections [[{known}]]"));
                }
                (None, None, _) => {
                    return refused(format!("{} is not a known section", name.get_ref()));
                }
            }
        }
        let mut variables: Vec<(String, String)> = variables.collect();
        variables.sort();
        for (name, value) in variables {
            sections.override_by(&name, value, single, repeated)?;
        }
        Ok(sections)
    }

    fn override_by(
        &mut self,
        name: &str,
        value: String,
        single: &[&'static str],
        repeated: &[&'static str],
    ) -> Result<(), ConfigError> {
        let Some(rest) = name.strip_prefix(PREFIX).map(str::to_ascii_lowercase) else {
            return Ok(());
        };
        let place = Place::Variable(name.to_owned());
        for known in single {
            if let Some(key) = rest.strip_prefix(&format!("{known}_")) {
                let section =
                    self.single.entry(known).or_insert_with(|| Section::empty(known, &place));
                section.entries.insert(key.to_owned(), (Raw::Variable(value), place));
                return Ok(());
            }
        }
        for known in repeated {
            let Some(rest) = rest.strip_prefix(&format!("{known}_")) else { continue };
            let list = self.repeated.entry(known).or_default();
            let target = rest
                .split_once('_')
                .and_then(|(index, key)| Some((index.parse::<usize>().ok()?, key)))
                .filter(|(index, _)| *index <= list.len());
            let Some((index, key)) = target else {
                let text = format!("{known} needs the number of an entry, 0 to {}", list.len());
                return Err(ConfigError { place, text });
            };
            if index == list.len() {
                list.push_back(Section::empty(&format!("{known}[{index}]"), &place));
            }
            list[index].entries.insert(key.to_owned(), (Raw::Variable(value), place));
            return Ok(());
        }
        // Others use names with this beginning too.
        Ok(())
    }

    /// The section of this name, empty where it was left out.
    pub(crate) fn section(&mut self, name: &'static str) -> Section {
        let file = Place::File(self.file.clone());
        self.take(name).unwrap_or_else(|| Section::empty(name, &file))
    }

    /// The section of this name, if it is there.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Section> {
        self.single.remove(name)
    }

    /// The entries of a repeated section.
    pub(crate) fn entries(&mut self, name: &'static str) -> VecDeque<Section> {
        self.repeated.remove(name).unwrap_or_default()
    }

    /// Refuses the whole.
    pub(crate) fn wrong(&self, text: impl Into<String>) -> ConfigError {
        ConfigError { place: Place::File(self.file.clone()), text: text.into() }
    }
}

impl Section {
    fn empty(name: &str, place: &Place) -> Self {
        Self { name: name.to_owned(), place: place.clone(), entries: BTreeMap::new() }
    }

    fn read(
        name: String,
        place: Place,
        table: &DeTable<'_>,
        line_at: &dyn Fn(usize) -> Place,
    ) -> Self {
        let entries = table
            .iter()
            .map(|(key, value)| {
                let place = line_at(key.span().start);
                (key.get_ref().to_string(), (Raw::of(value.get_ref()), place))
            })
            .collect();
        Self { name, place, entries }
    }

    fn take(&mut self, key: &str) -> Option<Setting<Raw>> {
        let (value, place) = self.entries.remove(key)?;
        Some(Setting { value, key: format!("{}.{key}", self.name), place })
    }

    /// A text, if it is there; an empty one counts as wrong.
    pub(crate) fn text(&mut self, key: &str) -> Result<Option<Setting<String>>, ConfigError> {
        let Some(setting) = self.take(key) else { return Ok(None) };
        let setting = setting.map(|raw| match raw {
            Raw::Text(text) | Raw::Variable(text) if text.trim().is_empty() => {
                Err("must not be empty".to_owned())
            }
            Raw::Text(text) | Raw::Variable(text) => Ok(text),
            other => Err(format!("must be a text in quotes, not {}", other.kind())),
        })?;
        Ok(Some(setting))
    }

    /// A text that must be there.
    pub(crate) fn required(&mut self, key: &str) -> Result<Setting<String>, ConfigError> {
        self.text(key)?.ok_or_else(|| self.lacks(key))
    }

    pub(crate) fn lacks(&self, key: &str) -> ConfigError {
        let text = format!("{}.{key} is missing", self.name);
        ConfigError { place: self.place.clone(), text }
    }

    /// A whole number within `range`.
    pub(crate) fn number(
        &mut self,
        key: &str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, ConfigError> {
        let Some(setting) = self.take(key) else { return Ok(default) };
        let setting = setting.map(|raw| match raw {
            Raw::Number(text) | Raw::Variable(text) => text
                .replace('_', "")
                .parse::<u64>()
                .ok()
                .filter(|number| range.contains(number))
                .ok_or_else(|| {
                    format!("must be a whole number from {} to {}", range.start(), range.end())
                }),
            other => Err(format!("must be a whole number, not {}", other.kind())),
        })?;
        Ok(setting.value)
    }

    /// `true` or `false`; false where it was left out.
    pub(crate) fn flag(&mut self, key: &str) -> Result<bool, ConfigError> {
        let Some(setting) = self.take(key) else { return Ok(false) };
        let setting = setting.map(|raw| match raw {
            Raw::Flag(flag) => Ok(flag),
            Raw::Variable(text) => text.parse().map_err(|_| "must be true or false".to_owned()),
            other => Err(format!("must be true or false, not {}", other.kind())),
        })?;
        Ok(setting.value)
    }

    /// A list of texts; a variable has them between commas.
    pub(crate) fn list(&mut self, key: &str) -> Result<Option<Setting<Vec<String>>>, ConfigError> {
        let Some(setting) = self.take(key) else { return Ok(None) };
        let setting = setting.map(|raw| {
            let list = match raw {
                Raw::List(list) => list,
                Raw::Variable(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
                other => return Err(format!("must be a list of texts, not {}", other.kind())),
            };
            if list.is_empty() || list.iter().any(|text| text.trim().is_empty()) {
                return Err("must name something, and nothing empty".to_owned());
            }
            Ok(list)
        })?;
        Ok(Some(setting))
    }

    /// Refuses what nobody asked for.
    pub(crate) fn finish(self) -> Result<(), ConfigError> {
        match self.entries.into_iter().next() {
            None => Ok(()),
            Some((key, (_, place))) => Err(ConfigError {
                place,
                text: format!("{}.{key} is not a known setting", self.name),
            }),
        }
    }
}

impl Raw {
    fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) if number.radix() == 10 => {
                Self::Number(number.as_str().to_owned())
            }
            DeValue::Boolean(flag) => Self::Flag(*flag),
            DeValue::Array(values) => {
                let texts = values.iter().map(|value| value.get_ref().as_str().map(str::to_owned));
                texts.collect::<Option<_>>().map_or(Self::Other("a mixed list"), Self::List)
            }
            other => Self::Other(other.type_str()),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Variable(_) => "a text",
            Self::Number(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Other(kind) => kind,
        }
    }
}
