//! The command `lcr_admin show profiles`.

use fsx_seam::guard::Site;

use crate::{
    config::Config,
    host::{Session, Stream, register},
    world,
};

/// The command.
pub(super) struct LcrAdmin;

impl register::Api for LcrAdmin {
    const NAME: &'static core::ffi::CStr = c"lcr_admin";
    const DESCRIPTION: &'static core::ffi::CStr = c"Least Cost Routing Module Admin";
    const SYNTAX: &'static core::ffi::CStr = c"lcr_admin show profiles";
    const FALLBACK: &'static str = "-ERR lcr_admin: an internal fault, noted in the log\n";

    fn site() -> &'static Site {
        static SITE: Site = Site::new("api.lcr_admin");
        &SITE
    }

    fn run(arguments: &str, _session: Option<Session<'_>>, stream: &mut Stream<'_>) {
        let words: Vec<String> =
            arguments.split_whitespace().take(2).map(str::to_ascii_lowercase).collect();
        let shown = words.iter().map(String::as_str).eq(["show", "profiles"]);
        match world::get().filter(|_| shown) {
            Some(world) => stream.write(&profiles(&world.setup().config)),
            None => stream.write("-ERR lcr_admin show profiles\n"),
        }
    }
}

fn profiles(config: &Config) -> String {
    let own = ("default".to_owned(), config.profile.clone().unwrap_or_default());
    let named = config.profiles.iter().map(|(name, order)| (name.clone(), order.clone()));
    let default = (!config.profiles.contains_key("default")).then_some(own);
    let mut text = String::new();
    for (name, order) in default.into_iter().chain(named) {
        let order = if order.is_empty() { "the organisation's" } else { &order };
        text.push_str(&format!(
            "Name:\t\t{name}\n ID:\t\t0\n order by:\t{order}\n has intrastate:\tfalse\n \
             has intralata:\tfalse\n has npanxx:\tfalse\n Reorder rate:\tdisabled\n \
             Info in headers:\tdisabled\n Quote IN() List:\tdisabled\n Single Bridge:\tdisabled\n \
             Sip Redirection Mode:\tdisabled\n Import fields:\t(null)\n Limit type:\tnone\n\n"
        ));
    }
    text
}
