//! Bindings, secrets and configuration.

use crate::tandem::dapr::types::Error;
use crate::tandem::dapr::{bindings, configuration, secrets};
use crate::{Answer, Target, calls};

type Pairs = Vec<(String, String)>;

fn lines(pairs: &Pairs) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

/// Metadata of the call: the query's parameters `m-<name>`.
fn metadata(target: &Target) -> Pairs {
    let given = ["path", "fileName", "ttlInSeconds", "version_id", "sql"];
    let value = |name: &&str| target.parameter(&format!("m-{name}")).map(|value| (name.to_string(), value.to_string()));
    given.iter().filter_map(value).collect()
}

fn headers(metadata: Pairs) -> Vec<(String, Vec<u8>)> {
    metadata.into_iter().map(|(name, value)| (format!("m-{name}").to_ascii_lowercase(), value.into_bytes())).collect()
}

pub fn invoke_binding(name: &str, data: &[u8], target: &Target) -> Result<Answer, Error> {
    let operation = target.parameter("operation").unwrap_or("create");
    match bindings::invoke(name, operation, data, &metadata(target)) {
        Ok(response) => {
            let status = if response.data.is_some() { 200 } else { 204 };
            Ok(Answer(status, headers(response.metadata), response.data.unwrap_or_default()))
        }
        Err(failure) => {
            let mut fields = headers(failure.metadata);
            fields.push(("x-code".into(), calls::code_name(failure.error.code).into()));
            fields.push(("x-reason".into(), failure.error.reason.into_bytes()));
            Ok(Answer(500, fields, failure.error.message.into_bytes()))
        }
    }
}

pub fn get_secret(name: &str, target: &Target) -> Result<Answer, Error> {
    let secret = secrets::get(target.parameter("store").unwrap_or("secrets"), name, &metadata(target))?;
    Ok(Answer::value(lines(&secret).into_bytes()))
}

pub fn get_secrets(target: &Target) -> Result<Answer, Error> {
    let all = secrets::get_bulk(target.parameter("store").unwrap_or("secrets"), &metadata(target))?;
    let text: String = all.iter().map(|(name, secret)| format!("[{name}]\n{}", lines(secret))).collect();
    Ok(Answer::value(text.into_bytes()))
}

fn store(target: &Target) -> &str {
    target.parameter("store").unwrap_or("config")
}

fn keys(key: &str) -> Vec<String> {
    if key.is_empty() { vec![] } else { key.split(',').map(String::from).collect() }
}

pub fn get_configuration(key: &str, target: &Target) -> Result<Answer, Error> {
    let items = configuration::get(store(target), &keys(key), &metadata(target))?;
    let line = |(key, item): &(String, configuration::Item)| format!("{key}={} @{}\n", item.value, item.version);
    Ok(Answer::value(items.iter().map(line).collect::<String>().into_bytes()))
}

pub fn subscribe_configuration(key: &str, target: &Target) -> Result<Answer, Error> {
    configuration::subscribe(store(target), &keys(key), &metadata(target)).map(|id| Answer::value(id.into_bytes()))
}

pub fn unsubscribe_configuration(id: &str, target: &Target) -> Result<Answer, Error> {
    configuration::unsubscribe(store(target), id).map(|()| Answer::empty())
}
