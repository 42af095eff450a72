package doctor

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// overall adds what concerns all answers.
func (e *examination) overall() {
	e.overallOf("cache", "every request", "Cache-Control: no-store", "Back-Channel Logout 1.0, 2.8",
		"Set Cache-Control: no-store on every answer of the endpoint, also on those of your framework.", Warn, e.uncached, "not set on")
	e.overallOf("error-body", "every request that is answered 400", `{"error":"invalid_request"}`, "Back-Channel Logout 1.0, 2.8",
		"Answer 400 with the JSON body {\"error\":\"invalid_request\"}, so that a provider can tell your refusal from that of a proxy, and stops sending.",
		Warn, e.unexplained, "not in the answer to")
	e.overallOf("redirect", "every request", "no redirect", "Back-Channel Logout 1.0, 2.5",
		"Register the address at which the endpoint itself answers.", Fail, e.redirected, "in answer to")

	f := Finding{
		Name: "time", Sent: "every request", Expected: "an answer within " + e.cfg.Slow.String(), Section: "Back-Channel Logout 1.0, 2.5", Verdict: Pass,
		Got: e.slowest.Round(time.Millisecond).String(), DurationMS: e.slowest.Milliseconds(),
	}
	if e.slowest > e.cfg.Slow {
		f.Verdict, f.Got = Warn, f.Got+" for "+e.slow
		f.Advice = "Answer sooner: somebody may be waiting for the logout to finish. Record what has ended, answer, and clean up afterwards."
	}
	e.add(f)
	e.transport()
}

func (e *examination) overallOf(name, sent, expected, section, advice string, otherwise Verdict, names []string, where string) {
	f := Finding{Name: name, Sent: sent, Expected: expected, Section: section, Verdict: Pass}
	switch {
	case !e.reached:
		f.Verdict, f.Advice = NotTested, "There was no answer."
	case len(names) > 0:
		f.Verdict, f.Advice = otherwise, advice
		f.Got = fmt.Sprintf("%s %s", where, strings.Join(names[:min(3, len(names))], ", "))
		if more := len(names) - 3; more > 0 {
			f.Got += fmt.Sprintf(" and %d more", more)
		}
	default:
		f.Got = "so"
	}
	e.add(f)
}

// transport looks at the connection.
func (e *examination) transport() {
	f := Finding{Name: "tls", Sent: "the connection", Expected: "https, a valid certificate", Section: "Back-Channel Logout 1.0, 2.2", Verdict: Pass}
	u, _ := url.Parse(e.cfg.URL) // checked
	switch {
	case u.Scheme == "http" && onLoopback(u.Hostname()):
		f.Verdict, f.Got = Pass, "http on this machine, which will do for development"
	case u.Scheme == "http":
		f.Verdict, f.Got = Fail, "http"
		f.Advice = "Serve the endpoint by https: a logout token names a person, and a client secret does not protect this way."
	case e.connection == nil:
		f.Verdict, f.Got, f.Advice = Fail, "no connection", "See why the connection fails: the answers above say it. For a certificate of your own authority give --ca-file."
	default:
		certificate := e.connection.PeerCertificates[0]
		f.Got = tls.VersionName(e.connection.Version) + ", valid until " + certificate.NotAfter.UTC().Format(time.DateOnly)
		if left := certificate.NotAfter.Sub(e.cfg.Now()); left < 14*24*time.Hour {
			f.Verdict, f.Advice = Warn, "Renew the certificate: it expires in less than two weeks, and no provider will reach the endpoint then."
		}
	}
	e.add(f)
}

func onLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
