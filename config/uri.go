package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// parseURI reads an absolute URI (RFC 3986) as configuration may hold one: without user, without fragment, in ASCII. Its
// errors show the value and say what to do.
func parseURI(s string) (*url.URL, error) {
	if i := strings.IndexFunc(s, notURI); i >= 0 {
		return nil, fmt.Errorf("%s has a character that a URI cannot have, %q; percent-encode it", quote(s), []rune(s[i:])[0])
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s is not a URI; write it like https://app.example.com/path", quote(s))
	case u.Scheme == "":
		return nil, fmt.Errorf("%s is not absolute; write it like https://app.example.com/path", quote(s))
	case u.User != nil:
		return nil, fmt.Errorf("%s holds a user; remove what stands before the @", quote(s))
	case strings.Contains(s, "#"):
		return nil, fmt.Errorf("%s has a fragment; remove the # and what follows", quote(s))
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return u, nil
	}
	port := u.Port()
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case u.Hostname() == "":
		return nil, fmt.Errorf("%s has no host; write it like https://app.example.com/path", quote(s))
	case strings.Contains(u.Host, "*"):
		return nil, fmt.Errorf("%s has a wildcard; URIs are compared exactly, list each one", quote(s))
	case strings.HasSuffix(u.Host, ":"), port != "" && (err != nil || n == 0):
		return nil, fmt.Errorf("%s has no valid port; write one from 1 to 65535 or none", quote(s))
	}
	return u, nil
}

// notURI reports characters outside RFC 3986.
func notURI(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"<>\\^`{|}", r)
}

// webURI checks a URI that must be https, or http where httpAllowed.
func webURI(s string, httpAllowed bool) (*url.URL, error) {
	u, err := parseURI(s)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme == "https", u.Scheme == "http" && httpAllowed:
		return u, nil
	case u.Scheme == "http":
		return nil, fmt.Errorf("%s uses http; use https (http is for development with a loopback issuer)", quote(s))
	}
	return nil, fmt.Errorf("%s has the scheme %s; use https", quote(s), u.Scheme)
}

// redirectURI checks where a browser may be sent. A native client may, in addition to web URIs, use its loopback address (RFC 8252, 7.3) and
// a private-use scheme, which is a reversed domain name and so has a dot (7.1); that keeps javascript:, data: and file: out.
func redirectURI(s string, httpAllowed, native bool) error {
	u, err := parseURI(s)
	switch {
	case err != nil:
		return err
	case u.Scheme == "https", u.Scheme == "http" && httpAllowed:
		return nil
	case u.Scheme == "http" && native:
		if isLoopback(u.Hostname()) {
			return nil
		}
		return fmt.Errorf("%s uses http; use https, a loopback address or a scheme of the app such as com.example.app", quote(s))
	case u.Scheme == "http":
		return fmt.Errorf("%s uses http; use https (http is for development with a loopback issuer, and for loopback addresses of native clients)", quote(s))
	case !native:
		return fmt.Errorf("%s has the scheme %s; use https, or set application_type: native for an app with a scheme of its own", quote(s), u.Scheme)
	case u.Opaque != "":
		return fmt.Errorf("%s has no / after the scheme; write it like com.example.app:/callback", quote(s))
	case !strings.Contains(u.Scheme, "."):
		return fmt.Errorf("%s has the scheme %s; an app's own scheme is a domain name in reverse, such as com.example.app:/callback", quote(s), u.Scheme)
	}
	return nil
}

// plainPath admits paths that no browser, proxy or library writes in another way: segments of unreserved characters (RFC 3986, 2.3), each with
// more than dots.
var plainPath = regexp.MustCompile(`^(/[a-zA-Z0-9._~-]*[a-zA-Z0-9_~-][a-zA-Z0-9._~-]*)*$`)

// checkIssuer applies OpenID Connect Core 1.0, 2 (iss). Relying parties compare the issuer byte for byte, so it must be in the one form that
// browsers and libraries produce. A slash at the end would be legal, but is taken off before the address of the metadata is made (Discovery
// 1.0, 4.1), and then forgotten.
func checkIssuer(s string) error {
	u, err := parseURI(s)
	switch {
	case s == "":
		return errors.New("is empty; write the provider's public URL, such as https://id.example.com")
	case err != nil:
		return err
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%s has the scheme %s; use https", quote(s), u.Scheme)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return fmt.Errorf("%s uses http, which is for loopback hosts only; use https", quote(s))
	case strings.Contains(s, "?"):
		return fmt.Errorf("%s has a query; remove the ? and what follows", quote(s))
	case strings.HasSuffix(s, "/"):
		return fmt.Errorf("%s ends with a slash; remove it: relying parties compare the issuer byte for byte", quote(s))
	case u.Host != strings.ToLower(u.Host) || !strings.HasPrefix(s, u.Scheme+"://"):
		return fmt.Errorf("%s has upper-case letters; write scheme and host in lower case: relying parties compare the issuer byte for byte", quote(s))
	case u.Scheme == "https" && u.Port() == "443", u.Scheme == "http" && u.Port() == "80":
		return fmt.Errorf("%s names the default port; remove it: browsers leave it out", quote(s))
	case !plainPath.MatchString(u.EscapedPath()):
		return fmt.Errorf("%s has a path that not everybody writes in the same way; use letters, digits, - . _ and ~, such as https://example.com/auth", quote(s))
	}
	return nil
}

// webOrigin returns scheme, host and port of a web URI as browsers compare them.
func webOrigin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}

// sameOrigin reports whether a URI, valid or not, has the origin of u.
func sameOrigin(uri string, u *url.URL) bool {
	other, err := url.Parse(uri)
	return err == nil && other.Host != "" && webOrigin(other) == webOrigin(u)
}

// checkOrigin checks an origin, which browsers write in one form only (HTML, 7.5).
func checkOrigin(s string, httpAllowed bool) error {
	u, err := webURI(s, httpAllowed)
	if err != nil {
		return err
	}
	if origin := webOrigin(u); s != origin {
		return fmt.Errorf("%s is not an origin as browsers write it; write %s", quote(s), origin)
	}
	return nil
}
