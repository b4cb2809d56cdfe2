//! Making settled changes on the text: each becomes a replacement of the few bytes that it concerns.
//!
//! jsonc-parser says where each value stands. Its own editable tree is not used: it moves white space and commas by rules of
//! its own, and here nothing may move that was not asked for.

use std::collections::BTreeSet;

use jsonc_parser::ast::{Array, Object, ObjectProp, Value as Ast};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::Value;

use super::apply::EditError;
use super::mask::masked;
use super::settle::{ListChange, ObjectChange, Settled};
use super::style::{Style, begins_line, line_indent};

/// The text after its changes.
pub(super) fn changed(text: &str, settled: &Settled) -> Result<String, EditError> {
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let masked = masked(text);
    let parsed =
        parse_to_ast(&masked, &CollectOptions::default(), &strict).map_err(|error| EditError::Internal(error.to_string()))?;
    let Some(root) = parsed.value else { return Err(EditError::Internal("the text has no value".into())) };
    let writer = Writer { text, style: Style::of(text, &root) };
    Ok(spliced(text, 0, text.len(), writer.value(&root, settled, false)))
}

/// Bytes of the text that are replaced.
#[derive(Debug)]
struct Splice {
    start: usize,
    end: usize,
    with: String,
}

/// A part of the text with its replacements made.
fn spliced(text: &str, start: usize, end: usize, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| (splice.start, splice.end));
    let mut out = String::new();
    let mut done = start;
    for splice in splices {
        out.push_str(&text[done..splice.start]);
        out.push_str(&splice.with);
        done = splice.end;
    }
    out.push_str(&text[done..end]);
    out
}

/// A member of an object or an element of a list.
struct Part {
    /// Name that it has afterwards; empty in a list.
    name: String,
    start: usize,
    end: usize,
    kept: bool,
    splices: Vec<Splice>,
}

/// What comes new into an object or a list.
enum New {
    /// A value, with the name of the member.
    Value(Option<String>, Value),
    /// A member as it was written elsewhere, with its name.
    Text(String, String),
}

/// An object or a list with everything that happens in it.
struct Container {
    /// Where it begins and ends, with its brackets.
    start: usize,
    end: usize,
    parts: Vec<Part>,
    new: Vec<New>,
    /// Whether all of its parts stand on one line.
    inline: bool,
}

struct Writer<'a> {
    text: &'a str,
    style: Style,
}

impl Writer<'_> {
    /// The replacements inside one value. `inline` tells that what it is a part of stands on one line.
    fn value(&self, value: &Ast<'_>, settled: &Settled, inline: bool) -> Vec<Splice> {
        match (value, settled) {
            (_, Settled::Untouched) => Vec::new(),
            (Ast::Object(object), Settled::Object(change)) => self.layout(self.object(object, change, inline)),
            (Ast::Array(array), Settled::List(change)) => self.layout(self.list(array, change, inline)),
            (_, Settled::Replaced(to)) => {
                let range = value.range();
                let indent = (!inline).then(|| line_indent(self.text, range.start));
                vec![Splice { start: range.start, end: range.end, with: self.style.value(to, indent) }]
            }
            // The value and the text were read differently, which the comparison at the end tells.
            _ => Vec::new(),
        }
    }

    fn object(&self, object: &Object<'_>, change: &ObjectChange, inline: bool) -> Container {
        let inline = self.is_inline(object.properties.iter().map(|member| member.range.start), inline);
        let parts = object.properties.iter().map(|member| self.member(object, member, change, inline)).collect();
        let new = change.added.iter().map(|(name, value)| New::Value(Some(name.clone()), value.clone())).collect();
        Container { start: object.range.start, end: object.range.end, parts, new, inline }
    }

    fn member(&self, object: &Object<'_>, member: &ObjectProp<'_>, change: &ObjectChange, inline: bool) -> Part {
        let name = member.name.as_str();
        let kept = !change.removed.contains(name) && !change.merged.contains_key(name);
        let mut splices = Vec::new();
        let renamed = change.renamed.get(name);
        if let Some(to) = renamed {
            let range = member.name.range();
            splices.push(Splice { start: range.start, end: range.end, with: self.style.string(to) });
        }
        if kept && is_effective(object, member) {
            let sources: Vec<_> =
                change.merged.iter().filter(|(_, into)| *into == name).filter_map(|(from, _)| effective(object, from)).collect();
            let settled = change.changed.get(name).unwrap_or(&Settled::Untouched);
            splices.extend(match &member.value {
                Ast::Object(target) if !sources.is_empty() => self.merge(target, settled, &sources, change, inline),
                value => self.value(value, settled, inline),
            });
        }
        let name = renamed.map_or(name, String::as_str).to_owned();
        Part { name, start: member.range.start, end: member.range.end, kept, splices }
    }

    /// The replacements inside an object that takes in the entries of others.
    fn merge(
        &self,
        target: &Object<'_>,
        settled: &Settled,
        sources: &[&ObjectProp<'_>],
        change: &ObjectChange,
        inline: bool,
    ) -> Vec<Splice> {
        let nothing = ObjectChange::default();
        let mut container = self.object(target, object_change(settled, &nothing), inline);
        let before = target.properties.iter().map(|member| member.name.as_str().to_owned());
        let added = container.new.iter().filter_map(|new| if let New::Value(name, _) = new { name.clone() } else { None });
        let after = container.parts.iter().map(|part| part.name.clone());
        let taken: BTreeSet<String> = before.chain(added).chain(after).collect();
        for source in sources {
            let Ast::Object(object) = &source.value else { continue };
            let settled = change.changed.get(source.name.as_str()).unwrap_or(&Settled::Untouched);
            let moved = self.object(object, object_change(settled, &nothing), inline);
            for part in moved.parts {
                if part.kept && !taken.contains(&part.name) {
                    let text = spliced(self.text, part.start, part.end, part.splices);
                    container.new.push(New::Text(part.name, text));
                }
            }
            let added = moved.new.into_iter().filter(|new| match new {
                New::Value(Some(name), _) | New::Text(name, _) => !taken.contains(name),
                New::Value(None, _) => false,
            });
            container.new.extend(added);
        }
        self.layout(container)
    }

    fn list(&self, array: &Array<'_>, change: &ListChange, inline: bool) -> Container {
        let inline = self.is_inline(array.elements.iter().map(|element| element.range().start), inline);
        let part = |(index, element): (usize, &Ast<'_>)| {
            let kept = !change.removed.contains(&index);
            let settled = change.changed.get(&index).filter(|_| kept).unwrap_or(&Settled::Untouched);
            let range = element.range();
            let splices = self.value(element, settled, inline);
            Part { name: String::new(), start: range.start, end: range.end, kept, splices }
        };
        let parts = array.elements.iter().enumerate().map(part).collect();
        let new = change.added.iter().map(|value| New::Value(None, value.clone())).collect();
        Container { start: array.range.start, end: array.range.end, parts, new, inline }
    }

    /// Whether no part of a container begins a line; an empty container is as what it is a part of.
    fn is_inline(&self, mut parts: impl Iterator<Item = usize> + Clone, inline: bool) -> bool {
        if parts.clone().next().is_none() { inline } else { !parts.any(|start| begins_line(self.text, start)) }
    }

    /// Turns what happens in a container into replacements: commas and white space go and come with their parts.
    fn layout(&self, container: Container) -> Vec<Splice> {
        let Container { start, end, parts, new, inline } = container;
        let last_kept = parts.iter().rposition(|part| part.kept);
        let mut splices = removals(&parts);
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            if !new.is_empty() {
                splices.push(Splice { start: start + 1, end: end - 1, with: self.filling(start, new, inline) });
            }
            return splices;
        };
        let indent = self.part_indent(&parts);
        let separator = match indent {
            Some(indent) => format!(",{}{indent}", self.style.newline),
            None => format!(",{}", self.style.after_comma()),
        };
        let written: Vec<_> = new.into_iter().map(|new| self.new_part(new, indent)).collect();
        match last_kept {
            Some(index) if !written.is_empty() => {
                let place = parts[index].end;
                splices.push(Splice { start: place, end: place, with: format!("{separator}{}", written.join(&separator)) });
            }
            None if written.is_empty() => splices.push(Splice { start: start + 1, end: end - 1, with: String::new() }),
            None => splices.push(Splice { start: first.start, end: last.end, with: written.join(&separator) }),
            Some(_) => {}
        }
        splices.extend(parts.into_iter().filter(|part| part.kept).flat_map(|part| part.splices));
        splices
    }

    /// The indentation of the last part that stands first on its line.
    fn part_indent(&self, parts: &[Part]) -> Option<&str> {
        let on_own_line = parts.iter().rev().find(|part| begins_line(self.text, part.start))?;
        Some(line_indent(self.text, on_own_line.start))
    }

    /// What comes between the brackets of a container that was empty.
    fn filling(&self, start: usize, new: Vec<New>, inline: bool) -> String {
        if inline {
            let separator = format!(",{}", self.style.after_comma());
            return new.into_iter().map(|new| self.new_part(new, None)).collect::<Vec<_>>().join(&separator);
        }
        let outer = line_indent(self.text, start);
        let indent = format!("{outer}{}", self.style.unit);
        let newline = self.style.newline;
        let parts: Vec<_> = new.into_iter().map(|new| self.new_part(new, Some(&indent))).collect();
        format!("{newline}{indent}{}{newline}{outer}", parts.join(&format!(",{newline}{indent}")))
    }

    fn new_part(&self, new: New, indent: Option<&str>) -> String {
        match new {
            New::Value(Some(name), value) => {
                format!("{}{}{}", self.style.string(&name), self.style.colon, self.style.value(&value, indent))
            }
            New::Value(None, value) => self.style.value(&value, indent),
            New::Text(_, text) => text,
        }
    }
}

/// Takes parts out, each run of them with the comma and the white space that belong to it.
fn removals(parts: &[Part]) -> Vec<Splice> {
    let cut = |start, end| Splice { start, end, with: String::new() };
    let mut splices = Vec::new();
    let mut before: Option<&Part> = None;
    let mut gone: Option<&Part> = None;
    for (index, part) in parts.iter().enumerate() {
        if part.kept {
            // Nothing kept stands before: what follows moves to the place of the first.
            if before.is_none() && index > 0 {
                splices.push(cut(parts[0].start, part.start));
            } else if let (Some(before), Some(gone)) = (before, gone) {
                splices.push(cut(before.end, gone.end));
            }
            (before, gone) = (Some(part), None);
        } else {
            gone = Some(part);
        }
    }
    if let (Some(before), Some(gone)) = (before, gone) {
        splices.push(cut(before.end, gone.end));
    }
    splices
}

/// What happens to the members of an object.
fn object_change<'s>(settled: &'s Settled, nothing: &'s ObjectChange) -> &'s ObjectChange {
    if let Settled::Object(change) = settled { change } else { nothing }
}

/// The member that counts when a name stands twice: the last one.
fn effective<'a>(object: &'a Object<'a>, name: &str) -> Option<&'a ObjectProp<'a>> {
    object.properties.iter().rev().find(|member| member.name.as_str() == name)
}

fn is_effective(object: &Object<'_>, member: &ObjectProp<'_>) -> bool {
    effective(object, member.name.as_str()).is_some_and(|last| last.range.start == member.range.start)
}
