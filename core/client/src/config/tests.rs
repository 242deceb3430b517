//! Sources, precedence and refusals of client options.

use super::*;

fn from(options: &str, env: &[(&str, &str)]) -> Result<Config, Error> {
    let variable = |name: &str| {
        env.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
    };
    Config::from_json(options.as_bytes(), &variable)
}

const ENV: [(&str, &str); 4] = [
    ("INFERENCEKEY_BASE_URL", "https://env.example"),
    ("INFERENCEKEY_PROJECT", " from-env\r\n"),
    ("INFERENCEKEY_SDK_TOKEN", "ik_sdk_env"),
    ("INFERENCEKEY_API_KEY", "ik_live_env"),
];

/// Base URL, project and token of a client.
fn values(config: &Config) -> (String, Option<&str>, Option<&str>) {
    let token = config.token.as_ref().map(Secret::expose);
    (config.base_url.as_str(), config.project.as_deref(), token)
}

#[test]
fn an_explicit_value_wins_over_the_environment_and_that_over_the_default() {
    for (options, env, base_url, project, token) in [
        (
            r#"{"plane":"control","from_env":true}"#,
            &ENV[..],
            "https://env.example",
            Some("from-env"),
            Some("ik_sdk_env"),
        ),
        (
            r#"{"plane":"data","from_env":true}"#,
            &ENV[..],
            "https://env.example",
            Some("from-env"),
            Some("ik_live_env"),
        ),
        (
            r#"{"plane":"data","from_env":true,"project":"mine"}"#,
            &ENV[..],
            "https://env.example",
            Some("mine"),
            Some("ik_live_env"),
        ),
        (
            r#"{"plane":"data","from_env":true,"project":" \t\r\n","base_url":""}"#,
            &ENV[..],
            "https://env.example",
            Some("from-env"),
            Some("ik_live_env"),
        ),
        (
            r#"{"plane":"control","from_env":true}"#,
            &ENV[2..],
            "https://api.inferencekey.com",
            None,
            Some("ik_sdk_env"),
        ),
        (
            r#"{"plane":"data","from_env":true,"project":"p"}"#,
            &[("INFERENCEKEY_API_KEY", " ")][..],
            "https://api.inferencekey.com",
            Some("p"),
            None,
        ),
        (
            r#"{"plane":"control","base_url":" https://h/ ","sdk_token":"\tik_sdk_x\n"}"#,
            &ENV[..],
            "https://h",
            None,
            Some("ik_sdk_x"),
        ),
        (
            r#"{"plane":"data","base_url":"https://h","project":"p"}"#,
            &ENV[..],
            "https://h",
            Some("p"),
            None,
        ),
    ] {
        let config = from(options, env).expect(options);
        assert_eq!(values(&config), (base_url.to_owned(), project, token), "{options}");
    }
}

#[test]
fn what_a_client_cannot_be_made_from_is_refused() {
    use Class::{ConfigurationError as C, PermissionDenied as P, ValidationError as V};
    for (options, class, code, field) in [
        (r#"{"plane":"control","sdk_token":"ik_sdk_x"}"#, C, "invalid_base_url", "base_url"),
        (
            r#"{"plane":"control","base_url":" ","sdk_token":"ik_sdk_x"}"#,
            C,
            "invalid_base_url",
            "base_url",
        ),
        (r#"{"plane":"control","base_url":"https://h"}"#, C, "missing_token", "sdk_token"),
        (
            r#"{"plane":"control","base_url":"https://h","sdk_token":" "}"#,
            C,
            "missing_token",
            "sdk_token",
        ),
        (r#"{"plane":"control","from_env":true}"#, C, "missing_token", "sdk_token"),
        (r#"{"plane":"data","base_url":"https://h"}"#, C, "missing_project", "project"),
        (
            r#"{"plane":"data","base_url":"https://h","project":".."}"#,
            C,
            "configuration",
            "project",
        ),
        (
            r#"{"plane":"control","base_url":"https://h","sdk_token":"ik_sdk_x\u0000y"}"#,
            C,
            "invalid_token",
            "sdk_token",
        ),
        (
            r#"{"plane":"control","base_url":"https://h","sdk_token":"ik_sdk_x\r\ny"}"#,
            C,
            "invalid_token",
            "sdk_token",
        ),
        (
            r#"{"plane":"data","base_url":"https://h","project":"p","api_key":"ñ"}"#,
            C,
            "invalid_token",
            "api_key",
        ),
        (
            r#"{"plane":"control","base_url":"https://h","sdk_token":"ik_live_x"}"#,
            P,
            "wrong_credential_type",
            "sdk_token",
        ),
        (
            r#"{"plane":"control","base_url":"https://h","sdk_token":"t","retries":-1}"#,
            V,
            "invalid_argument",
            "retries",
        ),
        (
            r#"{"plane":"control","base_url":"https://h","sdk_token":"t","retries":1.5}"#,
            V,
            "invalid_argument",
            "retries",
        ),
        (
            r#"{"plane":"control","base_url":"https://h","sdk_token":"t","retries":true}"#,
            V,
            "invalid_argument",
            "retries",
        ),
        (
            r#"{"plane":"control","base_url":"https://h","sdk_token":"t","cold_start_ms":1}"#,
            V,
            "invalid_argument",
            "cold_start_ms",
        ),
        (
            r#"{"plane":"control","base_url":"https://h","sdk_token":"t","api_key":"k"}"#,
            V,
            "invalid_argument",
            "api_key",
        ),
        (
            r#"{"plane":"control","base_url":"https://h","sdk_token":"t","user_agent":"a\nb"}"#,
            V,
            "invalid_argument",
            "user_agent",
        ),
        (r#"{"plane":"control","base_url":1,"sdk_token":"t"}"#, V, "invalid_argument", "base_url"),
        (r#"{"plane":"both"}"#, V, "invalid_argument", "plane"),
        (r#"{}"#, V, "invalid_argument", "plane"),
    ] {
        let error = from(options, &[]).expect_err(options);
        assert_eq!((error.class, error.code), (class, code), "{options}");
        assert_eq!(error.field.as_deref(), Some(field), "{options}");
        assert_eq!(error.status, None, "{options}");
    }
}

#[test]
fn a_missing_value_is_asked_for_where_it_was_looked_for() {
    for (options, variable) in [
        (r#"{"plane":"control","from_env":true}"#, "INFERENCEKEY_SDK_TOKEN"),
        (r#"{"plane":"data","from_env":true}"#, "INFERENCEKEY_PROJECT"),
    ] {
        let hint = from(options, &[]).expect_err(options).hint.clone().expect("a hint");
        assert!(hint.starts_with(&format!("set {variable}")), "{hint}");
        assert!(hint.contains("inferencekey local env") && !hint.contains("from_env"), "{hint}");
    }
    let options = r#"{"plane":"control","base_url":"https://h"}"#;
    let hint = from(options, &[]).expect_err(options).hint.clone().expect("a hint");
    assert!(hint.contains("`sdk_token`") && hint.contains("`from_env`"), "{hint}");
}

#[test]
fn a_refused_base_url_names_the_variable_it_came_from() {
    let variable = [("INFERENCEKEY_BASE_URL", "127.0.0.1:8400"), ENV[2]];
    for (options, named) in [
        (r#"{"plane":"control","from_env":true}"#, true),
        (r#"{"plane":"control","from_env":true,"base_url":" "}"#, true),
        (r#"{"plane":"control","from_env":true,"base_url":"h"}"#, false),
    ] {
        let error = from(options, &variable).expect_err(options);
        assert_eq!(error.words.contains("INFERENCEKEY_BASE_URL"), named, "{}", error.words);
    }
}

#[test]
fn a_refused_token_is_not_shown() {
    let error =
        from(r#"{"plane":"control","base_url":"https://h","sdk_token":"hunter2\u0007"}"#, &[])
            .expect_err("a control character");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn the_environment_is_asked_only_by_from_env() {
    let options = r#"{"plane":"control","base_url":"https://h","sdk_token":"ik_sdk_x"}"#;
    let config = Config::from_json(options.as_bytes(), &|name| panic!("{name} was read"));
    assert!(config.is_ok());
}

#[test]
fn the_rest_has_defaults() {
    let plain = r#"{"plane":"control","base_url":"https://h","sdk_token":"t"}"#;
    let config = from(plain, &[]).expect("defaults");
    assert_eq!((config.retries.retries, config.ca_bundle), (2, None));
    assert_eq!(config.user_agent, format!("core/{VERSION}"));

    let given = r#"{"plane":"control","base_url":"https://h","sdk_token":"t","retries":0,
        "ca_bundle":"/ca.pem","user_agent":"inferencekey-python/0.1.0"}"#;
    let config = from(given, &[]).expect("options");
    assert_eq!((config.retries.retries, config.ca_bundle), (0, Some(PathBuf::from("/ca.pem"))));
    assert_eq!(config.user_agent, format!("inferencekey-python/0.1.0 core/{VERSION}"));
}

#[test]
fn a_blank_bundle_does_not_fall_back_to_the_systems_roots() {
    let blank = r#"{"plane":"control","base_url":"https://h","sdk_token":"t","ca_bundle":" "}"#;
    let error = from(blank, &[]).expect_err("no path");
    assert_eq!((error.code, error.field.as_deref()), ("configuration", Some("ca_bundle")));
}
