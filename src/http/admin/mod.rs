//! Administration over HTTP: who may come in ([`guard`]), the site ([`pages`]), the REST API ([`api`]) and two forms
//! ([`forms`]). What is done is in [`crate::admin`].

pub mod api;
pub mod forms;
pub mod guard;
pub mod pages;
mod password;
