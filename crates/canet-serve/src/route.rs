//! What there is to ask for.

/// A thing to ask for: its address, its method, and who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// The page for people.
    Page,
    /// Whether the server answers at all.
    Health,
    /// Its counters.
    Metrics,
    /// What this interface is, for programs.
    OpenApi,
    /// What the model is.
    Model,
    /// The drawn frames to try it with.
    Samples,
    /// One of them.
    Sample,
    /// A picture's classes.
    Segment,
}

impl Route {
    /// All routes.
    pub const ALL: [Self; 8] = [
        Self::Page,
        Self::Health,
        Self::Metrics,
        Self::OpenApi,
        Self::Model,
        Self::Samples,
        Self::Sample,
        Self::Segment,
    ];

    /// The address; a part in braces stands for any.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Page => "/",
            Self::Health => "/healthz",
            Self::Metrics => "/metrics",
            Self::OpenApi => "/v1/openapi.json",
            Self::Model => "/v1/model",
            Self::Samples => "/v1/samples",
            Self::Sample => "/v1/samples/{number}",
            Self::Segment => "/v1/segment",
        }
    }

    /// The method, in lower case, as `OpenAPI` has it.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Segment => "post",
            _ => "get",
        }
    }

    /// The methods, as the header `Allow` has them.
    pub(crate) const fn allow(self) -> &'static str {
        match self {
            Self::Segment => "POST",
            _ => "GET, HEAD",
        }
    }

    /// Every status that it answers with.
    pub const fn statuses(self) -> &'static [u16] {
        match self {
            Self::Page | Self::Health => &[200, 405],
            Self::Metrics | Self::OpenApi | Self::Model | Self::Samples => &[200, 401, 405],
            Self::Sample => &[200, 401, 404, 405, 500],
            Self::Segment => &[200, 400, 401, 405, 408, 413, 415, 422, 500, 503, 504],
        }
    }

    /// The route of an address, if there is one.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let is = |route: &Self| match route.path().split_once('{') {
            None => route.path() == path,
            Some((start, _)) => {
                path.strip_prefix(start).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
            }
        };
        Self::ALL.into_iter().find(is)
    }
}

/// Whether an address is only for those who show the token.
pub(crate) fn needs_token(path: &str) -> bool {
    path == Route::Metrics.path() || path.starts_with("/v1/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_find_their_route() {
        for route in Route::ALL {
            assert_eq!(Route::of(&route.path().replace("{number}", "7")), Some(route));
            assert!(route.statuses().is_sorted());
        }
        for path in ["", "/v1", "/v1/samples/", "/v1/samples/1/2", "/v1/segment/", "//", "/%2e"] {
            assert_eq!(Route::of(path), None, "{path}");
        }
        for (path, needs) in [("/", false), ("/healthz", false), ("/metrics", true)] {
            assert_eq!(needs_token(path), needs, "{path}");
        }
        assert!(needs_token("/v1/nothing"));
    }
}
