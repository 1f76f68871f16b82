//! Administration over HTTP: who may come in ([`guard`]), the REST API ([`api`]) and two forms ([`forms`]). What is
//! done is in [`crate::admin`].

pub mod api;
pub mod forms;
pub mod guard;
mod password;
