//! `canet completions` and `canet man`: what shells and `man` want to know of the program.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use canet_core::atomic;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::Cli;

const SHELLS: &str = "\
Examples:
  canet completions bash > ~/.local/share/bash-completion/completions/canet
  canet completions zsh > ~/.zfunc/_canet
  canet completions fish > ~/.config/fish/completions/canet.fish";

const PAGES: &str = "\
Examples:
  canet man | man -l -
  canet man --out ~/.local/share/man/man1";

/// Print what a shell needs to complete canet's arguments.
#[derive(clap::Args)]
#[command(after_help = SHELLS)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Print the manual, or write its pages.
#[derive(clap::Args)]
#[command(after_help = PAGES)]
pub(crate) struct ManArgs {
    /// The folder for canet.1 and a page for each command; it is made if need be
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs `canet completions`.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "canet", &mut script);
    print(&script)
}

/// Runs `canet man`.
pub(crate) fn man(args: &ManArgs) -> Result<()> {
    let pages = pages()?;
    let Some(out) = &args.out else {
        let pages: Vec<_> = pages.into_iter().map(|(_, page)| page).collect();
        return print(&pages.concat());
    };
    for (name, page) in &pages {
        atomic::write(&out.join(name), page)?;
    }
    Ok(())
}

/// The file names and pages of the program and of each command.
fn pages() -> Result<Vec<(String, Vec<u8>)>> {
    let mut program = Cli::command();
    program.build();
    let commands = program.get_subcommands().filter(|command| command.get_name() != "help");
    let commands: Vec<_> = commands.cloned().collect();
    let mut pages = Vec::new();
    for command in std::iter::once(program).chain(commands) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        let mut page = Vec::new();
        // Man takes the name from the command; a sub-command's is `canet-segment`.
        Man::new(command).title(name.clone()).render(&mut page)?;
        pages.push((format!("{name}.1"), page));
    }
    Ok(pages)
}

/// Whoever reads may have seen enough: `| head` is no reason to fail.
fn print(bytes: &[u8]) -> Result<()> {
    match std::io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use std::process::{Command, Stdio};

    #[test]
    fn the_command_line_is_sound_and_every_command_has_examples() {
        let mut program = Cli::command();
        program.clone().debug_assert();
        for command in program.get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:\n  canet "), "{help}");
        }
    }

    #[test]
    fn every_shell_gets_a_script_and_bash_takes_it() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "canet", &mut script);
            let text = String::from_utf8(script).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(text.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
            if *shell == Shell::Bash {
                let mut bash =
                    Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
                bash.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
                assert!(bash.wait().unwrap().success());
            }
        }
    }

    #[test]
    fn every_command_has_a_page() {
        let pages = pages().unwrap();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[0], "canet.1");
        let text = |page: &[u8]| String::from_utf8(page.to_vec()).unwrap();
        for command in Cli::command().get_subcommands() {
            let name = format!("canet-{}", command.get_name());
            let at = names.iter().position(|page| *page == format!("{name}.1")).unwrap();
            assert!(text(&pages[0].1).contains(&name.replace('-', "\\-")), "{name}");
            assert!(text(&pages[at].1).contains("Examples"), "{name}");
        }
    }
}
