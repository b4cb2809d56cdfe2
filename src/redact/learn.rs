//! Learning what is private, before anything is replaced: a name that is met once is taken out everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::Value;

use super::patterns::{self, Found};
use super::private::Private;
use super::replace::{Edges, Literal, is_public};
use super::stand_in::{Kind, StandIns};
use super::tree::{self, Place, Shape};
use super::{forms, variables, vocabulary};

/// What was learnt.
pub(super) struct Learnt {
    pub(super) stand_ins: StandIns,
    pub(super) literals: Vec<Literal>,
    pub(super) public_ids: BTreeSet<String>,
    pub(super) only_as_names: Vec<(String, String)>,
}

/// A text and where it stands.
struct Seen {
    key: String,
    variable: Option<String>,
    assignments: bool,
    text: String,
}

impl Seen {
    fn place(&self) -> Place<'_> {
        Place { key: &self.key, variable: self.variable.as_deref(), assignments: self.assignments, machines: false }
    }
}

/// Shorter names are looked for only where names stand.
const SHORTEST_NAME: usize = 3;
/// Shorter values of variables (`1`, `yes`) are replaced where they are set, and not looked for elsewhere.
const SHORTEST_VALUE: usize = 4;

/// Goes through everything once.
pub(super) fn learn(value: &mut Value, shape: Shape, private: &Private, hide: &[String]) -> Learnt {
    let mut learner = Learner::default();
    let mut seen = Vec::new();
    tree::walk(value, shape, &mut |place, text| {
        let (key, variable) = (place.key.to_owned(), place.variable.map(str::to_owned));
        seen.push(Seen { key, variable, assignments: place.assignments, text: text.to_owned() });
        None
    });
    for seen in &seen {
        for range in patterns::stand_ins(&seen.text) {
            seen.text[range].split('.').for_each(|stand_in| learner.stand_ins.take(stand_in));
        }
        if seen.place().holds_an_image_id() {
            learner.public_ids.insert(seen.text.clone());
        }
    }
    hide.iter().filter(|word| !word.trim().is_empty()).for_each(|word| learner.word(Kind::Hidden, word, Edges::Any));
    let facts = match shape {
        Shape::Facts => &*value,
        Shape::Document => value.get("facts").unwrap_or(&Value::Null),
    };
    learner.facts(facts);
    learner.private(private);
    learner.deciding_machines(value);
    seen.iter().for_each(|seen| learner.text(seen));
    learner.values();
    learner.done()
}

#[derive(Default)]
struct Learner {
    stand_ins: StandIns,
    literals: BTreeMap<(String, Edges), String>,
    public_ids: BTreeSet<String>,
    only_as_names: Vec<(String, String)>,
}

impl Learner {
    fn done(self) -> Learnt {
        let literals = self.literals.into_iter().map(|((text, edges), stand_in)| Literal { text, stand_in, edges }).collect();
        Learnt { stand_ins: self.stand_ins, literals, public_ids: self.public_ids, only_as_names: self.only_as_names }
    }

    fn facts(&mut self, facts: &Value) {
        let text = |pointer: &str| facts.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        text("/session/user").iter().for_each(|user| self.user(user));
        text("/session/sudo_user").iter().for_each(|user| self.user(user));
        for pointer in ["/machine/hostname", "/ssh_setup/hostname"] {
            text(pointer).iter().for_each(|host| self.host(host));
        }
        let display = text("/x11/display/host").filter(|host| !host.starts_with('/'));
        display.iter().for_each(|host| self.host(host));
        let keychains = facts.pointer("/ssh_setup/keychain_files").and_then(Value::as_array);
        for file in keychains.into_iter().flatten() {
            file.get("hostname").and_then(Value::as_str).into_iter().for_each(|host| self.host(host));
        }
        let files = facts.pointer("/soma_workflow/files").and_then(Value::as_array).into_iter().flatten();
        let resources = files.filter_map(|file| file.get("resources")?.as_array()).flatten();
        resources.filter_map(|resource| resource.get("name")?.as_str()).for_each(|cluster| self.host(cluster));
        for pointer in ["/session/home", "/ssh_setup/home"] {
            text(pointer).iter().for_each(|home| self.home(home));
        }
    }

    fn private(&mut self, private: &Private) {
        private.users.iter().for_each(|user| self.user(user));
        private.homes.iter().for_each(|home| self.home(home));
        private.names.iter().for_each(|name| self.real_name(name));
        private.hosts.iter().for_each(|host| self.host(host));
        private.domains.iter().for_each(|domain| self.domain(domain));
        // Together they are cut at a dot, too, although nobody told them as one name.
        for host in private.hosts.iter().filter(|host| !host.contains('.')) {
            private.domains.iter().for_each(|domain| self.host(&format!("{host}.{}", domain.trim_matches('.'))));
        }
        private.serials.iter().for_each(|serial| self.word(Kind::Serial, serial, Edges::Word));
    }

    /// The machines for which the environment remembers a decision.
    fn deciding_machines(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                let decisions = map.get("casa_doctor").and_then(|own| own.get("decisions")).and_then(Value::as_object);
                // What cannot be a machine's name (RFC 1123, and the underscore that some have) is a text like any other.
                let is_name = |key: &&String| key.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c));
                let machines = decisions.into_iter().flat_map(|decisions| decisions.keys()).filter(is_name);
                machines.for_each(|machine| self.host(machine));
                map.values().for_each(|value| self.deciding_machines(value));
            }
            Value::Array(list) => list.iter().for_each(|value| self.deciding_machines(value)),
            _ => {}
        }
    }

    /// What the shape of a text tells.
    fn text(&mut self, seen: &Seen) {
        let place = seen.place();
        if place.holds_a_picture(&seen.text) {
            return;
        }
        drop(variables::mask(&place, &seen.text, &mut self.stand_ins));
        if place.key == tree::HOST_OPTION {
            // As an option it may have an address behind it.
            self.host(seen.text.split(':').next().unwrap_or_default());
        }
        for found in patterns::find(&seen.text, &place) {
            if !is_public(&seen.text, &found, &place, &self.public_ids) {
                self.found(&found, &seen.text[found.range.clone()]);
            }
        }
    }

    fn found(&mut self, found: &Found, value: &str) {
        match found.kind {
            Kind::User => self.user(value.trim_end_matches(['.', '…'])),
            Kind::Host => self.host(value),
            Kind::Email => {
                self.word(Kind::Email, value, Edges::Word);
                if let Some((user, _)) = value.split_once('@').filter(|(user, _)| !vocabulary::is_common(user)) {
                    self.user(user);
                }
            }
            Kind::Value => {
                variables::mask_value(value, &mut self.stand_ins);
            }
            // A short one would be found everywhere.
            Kind::Key if value.len() < SHORTEST_VALUE => {}
            kind => self.word(kind, value, Edges::Word),
        }
    }

    /// The values of variables, which may be told elsewhere, too.
    fn values(&mut self) {
        let values: Vec<_> = self.stand_ins.given().filter(|given| given.kind == Kind::Value).cloned().collect();
        for given in values {
            let value = given.value.trim();
            // A path is no secret by itself, and other texts must go on naming it.
            let tells = value.chars().any(char::is_alphabetic) && !value.contains('/') && !vocabulary::is_common(value);
            // An option stays the option that it is; a secret that is its value has a shape of its own.
            let is_option = value.starts_with("--") && value.contains(' ');
            if value.len() >= SHORTEST_VALUE && tells && !is_option {
                self.literal(value, &given.stand_in, Edges::Value);
            }
        }
    }

    fn word(&mut self, kind: Kind, value: &str, edges: Edges) {
        let stand_in = self.stand_ins.of(kind, value);
        self.literal(value, &stand_in, edges);
    }

    fn literal(&mut self, value: &str, stand_in: &str, edges: Edges) {
        if !patterns::stand_ins(value).is_empty() {
            return;
        }
        // As a step of a JSON pointer.
        if value.contains('/') {
            let step = |text: &str| text.replace('~', "~0").replace('/', "~1");
            self.literals.entry((step(value), edges)).or_insert_with(|| step(stand_in));
        }
        for form in forms::of(value) {
            // What was no path, because its slashes are hidden, becomes none.
            let hidden = value.contains('/') && !form.contains('/');
            let told = || if hidden { stand_in.replace('/', "%2F") } else { stand_in.to_owned() };
            self.literals.entry((form, edges)).or_insert_with(told);
        }
    }

    fn user(&mut self, name: &str) {
        // The user database takes no colon, and the path of a home no slash: such a text is no name, and is treated as any other.
        if name.is_empty() || name.contains([':', '/']) || matches!(name, "root" | "nobody") || patterns::is_stand_in(name) {
            return;
        }
        let stand_in = self.stand_ins.of(Kind::User, name);
        for above in ["/home/", "/Users/", "\\Users\\", "/users/"] {
            self.literal(&format!("{above}{name}"), &format!("{above}{stand_in}"), Edges::Path);
        }
        self.literal(&format!("SI:localuser:{name}"), &format!("SI:localuser:{stand_in}"), Edges::Word);
        self.name(name, &stand_in);
        // Tables of processes cut long names.
        for length in [7, 8] {
            if name.len() > length && name.is_char_boundary(length) && !vocabulary::is_common(&name[..length]) {
                self.literal(&format!("{}+", &name[..length]), &stand_in, Edges::Word);
                self.literal(&name[..length], &stand_in, Edges::Word);
            }
        }
    }

    fn name(&mut self, name: &str, stand_in: &str) {
        if name.chars().count() < SHORTEST_NAME || vocabulary::is_common(name) {
            self.only_as_names.push((name.to_owned(), stand_in.to_owned()));
        } else {
            self.literal(name, stand_in, Edges::Word);
        }
    }

    fn real_name(&mut self, name: &str) {
        let name = name.trim();
        if name.chars().count() < SHORTEST_NAME || vocabulary::is_common(name) {
            return;
        }
        self.word(Kind::Name, name, Edges::Word);
        for part in name.split([' ', ',', '.']).filter(|part| part.chars().count() >= SHORTEST_NAME) {
            if !vocabulary::is_common(part) {
                self.word(Kind::Name, part, Edges::Word);
            }
        }
    }

    fn host(&mut self, name: &str) {
        let name = name.trim_end_matches('.');
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        // A whole text in the place of a name would take its parts along wherever it stands.
        let is_text = name.contains(|c: char| c.is_whitespace() || "\"{}".contains(c));
        if name.is_empty() || is_text || is_address || vocabulary::is_public_host(name) || patterns::is_stand_in(name) {
            return;
        }
        let stand_in = self.stand_ins.of_host(name);
        let Some((label, domain)) = name.split_once('.') else {
            self.name(name, &stand_in);
            // The name by which Windows networks know a machine.
            if name.len() > 15 && name.is_char_boundary(15) {
                self.literal(&name[..15], &stand_in, Edges::Word);
            }
            return;
        };
        self.literal(name, &stand_in, Edges::Word);
        self.host(label);
        self.domain(domain);
        // A name that was cut at one of its dots.
        let mut end = label.len();
        for part in domain.split('.') {
            end += 1 + part.len();
            if end < name.len() {
                self.literal(&name[..end], &stand_in, Edges::Word);
            }
        }
    }

    fn domain(&mut self, domain: &str) {
        let domain = domain.trim_matches('.');
        if domain.is_empty() || vocabulary::is_common(domain) || vocabulary::is_public_host(domain) {
            return;
        }
        if patterns::is_stand_in(domain) {
            return;
        }
        let stand_in = self.stand_ins.of_domain(domain);
        if !domain.contains('.') {
            self.name(domain, &stand_in);
            return;
        }
        self.literal(domain, &stand_in, Edges::Word);
        if let Some((first, above)) = domain.split_once('.') {
            let is_registry = |name: &str| matches!(name, "co" | "ac" | "gov" | "gouv" | "org" | "com" | "edu" | "net" | "asso");
            if above.contains('.') && !is_registry(above.split('.').next().unwrap_or_default()) {
                self.domain(above);
            }
            let _ = first;
        }
    }

    /// The directories on the way to a home; its last one is mostly the user's name.
    fn home(&mut self, home: &str) {
        let parts: Vec<&str> = home.split('/').filter(|part| !part.is_empty()).collect();
        let [above @ .., last] = parts.as_slice() else { return };
        if !home.starts_with('/') || *last == "root" || above.is_empty() {
            return;
        }
        let (mut real, mut told) = (String::new(), String::new());
        let mut below_homes = false;
        for part in above {
            real = format!("{real}/{part}");
            let shown = match below_homes {
                true => self.stand_ins.of(Kind::User, part),
                false if vocabulary::is_common(part) => (*part).to_owned(),
                false => self.stand_ins.of(Kind::Directory, part),
            };
            below_homes = matches!(*part, "home" | "Users" | "users");
            told = format!("{told}/{shown}");
            if real != told {
                self.directory(&real, &told);
            }
        }
        let user = self.stand_ins.of(Kind::User, last);
        self.directory(&format!("{real}/{last}"), &format!("{told}/{user}"));
        self.user(last);
    }

    /// A directory, also as casa_distro names the home of a container after it.
    fn directory(&mut self, real: &str, told: &str) {
        self.literal(real, told, Edges::Path);
        let flat = |path: &str| format!("casa-distro/{}", path.trim_start_matches('/').replace('/', "_"));
        self.literal(&flat(real), &flat(told), Edges::Word);
    }
}
