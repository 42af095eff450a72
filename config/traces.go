package config

import "net/url"

func (t Traces) check(r *report) {
	if !(t.Sample >= 0 && t.Sample <= 1) { // not a number is neither
		r.add("traces.sample", "%v is out of range; write a number from 0 to 1, such as 0.1 for every tenth trace", t.Sample)
	}
	if t.Endpoint == "" {
		if t.Propagate {
			r.add("traces.propagate", "has no effect without traces.endpoint; set that too, to the URL of a collector")
		}
		return
	}
	u, err := url.Parse(t.Endpoint)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		r.add("traces.endpoint", "%s is not the URL of a collector; write it like http://127.0.0.1:4318", quote(t.Endpoint))
	case u.User != nil:
		r.add("traces.endpoint", "holds a username or password, which are not sent; remove them, and set the variable OTEL_EXPORTER_OTLP_HEADERS to the header that authenticates")
	case u.RawQuery != "", u.Fragment != "":
		r.add("traces.endpoint", "%s has more than scheme, host, port and path; remove what follows the path", quote(t.Endpoint))
	}
}
