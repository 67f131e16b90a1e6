//! Reading bodies and queries, with refusals that keep to the error table.
//!
//! What a parser says about malformed input may quote it; so its words are not passed on.

use super::errors::{Fault, Problem};
use super::limits::BODY_MAX;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// A JSON body of at most [`BODY_MAX`] bytes.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        json_within(request, BODY_MAX).await.map(Self)
    }
}

/// A JSON body that may be left out, with its type.
#[derive(Debug)]
pub struct Perhaps<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for Perhaps<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !request.headers().contains_key(header::CONTENT_TYPE) {
            return Ok(Self(T::default()));
        }
        json_within(request, BODY_MAX).await.map(Self)
    }
}

/// A JSON body of at most [`BRIEF_MAX`] bytes: all that is read of who has shown no token.
#[derive(Debug)]
pub struct Brief<T>(pub T);

/// Longest body of a [`Brief`], in bytes.
pub const BRIEF_MAX: usize = 1024;

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Brief<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        json_within(request, BRIEF_MAX).await.map(Self)
    }
}

async fn json_within<T: DeserializeOwned>(request: Request, most: usize) -> Result<T, Problem> {
    let declared = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared.and_then(|value| value.split(';').next()).map(str::trim);
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Err(Fault::NotJson.into());
    }
    let body = axum::body::to_bytes(request.into_body(), most).await.map_err(|_| Fault::TooLarge)?;
    serde_json::from_slice(&body).map_err(|_| Fault::BadRequest.into())
}

/// The query string.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri).map(|query| Self(query.0)).map_err(|_| Fault::BadRequest.into())
    }
}
