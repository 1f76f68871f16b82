//! Reading requests.
