package doctor

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Config says what is examined, and with whose keys.
type Config struct {
	// URL is the back-channel logout endpoint. Required.
	URL string
	// Issuer and ClientID are what the relying party is configured with. Without
	// a Signer they default to ones that do not exist.
	Issuer, ClientID string
	// Signer signs as the provider. Without it no token can be good, and a bad
	// one that is refused may be refused for its signature.
	Signer Signer
	// Algorithm is the client's id_token_signed_response_alg. Defaults to RS256.
	Algorithm string
	// OtherAlgorithm is another one that Signer can sign with. Defaults to none.
	OtherAlgorithm string
	// PublicKey is the public half of the Signer's key for Algorithm. Defaults to none.
	PublicKey crypto.PublicKey
	// Subject and SID are whom the tokens name. Both default to random ones.
	Subject, SID string
	// Slow is the time from which an answer is too slow. Defaults to two seconds.
	Slow time.Duration
	// HTTPClient sends the requests. It must not follow redirects. Defaults to one
	// that gives up after ten seconds.
	HTTPClient *http.Client
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// connectionClosed stands, among statuses, for a connection that was closed
// before there was an answer.
const connectionClosed = -1

// examination is one run.
type examination struct {
	bench
	report *Report

	uncached, unexplained, redirected []string // names of checks
	slowest                           time.Duration
	slow                              string // the name of the slowest check
	connection                        *tls.ConnectionState
	reached                           bool
}

// Examine runs all checks on the endpoint. The error says that nothing could be
// examined: a field of cfg is missing, the signer failed, or ctx is done. That
// the endpoint cannot be reached is a finding.
func Examine(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	e := &examination{bench: bench{cfg: cfg, kid: "doctor"}, report: &Report{URL: cfg.URL, At: cfg.Now().UTC()}}
	if cfg.Signer != nil {
		token, err := e.sign(ctx, cfg.Algorithm, "logout+jwt", e.claims())
		if err != nil {
			return nil, fmt.Errorf("doctor: signing as the provider: %w", err)
		}
		if e.kid, err = keyID(token); err != nil {
			return nil, err
		}
	}
	for _, c := range goodChecks {
		if err := e.run(ctx, c); err != nil {
			return nil, err
		}
	}
	if err := e.replay(ctx); err != nil {
		return nil, err
	}
	for _, c := range badChecks {
		if err := e.run(ctx, c); err != nil {
			return nil, err
		}
	}
	e.overall()
	return e.report, nil
}

func (c *Config) complete() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("doctor: %q is no address of an endpoint: give an absolute http or https URL", c.URL)
	}
	if c.Signer != nil && (c.Issuer == "" || c.ClientID == "") {
		return errors.New("doctor: Config.Issuer and Config.ClientID are needed with Config.Signer")
	}
	c.Issuer, c.ClientID = orText(c.Issuer, "https://doctor.invalid"), orText(c.ClientID, "doctor")
	c.Algorithm = orText(c.Algorithm, "RS256")
	c.Subject, c.SID = orText(c.Subject, "doctor-"+rand.Text()), orText(c.SID, "doctor-"+rand.Text())
	if c.Slow == 0 {
		c.Slow = 2 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.HTTPClient == nil {
		c.HTTPClient = NewClient(nil)
	}
	return nil
}

func orText(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

func jsonOf(claims object) ([]byte, error) { return json.Marshal(claims) }

// NewClient returns a client that gives up after ten seconds and follows no
// redirects, as providers do. config may be nil.
func NewClient(config *tls.Config) *http.Client {
	return &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment, MaxIdleConns: 4},
	}
}

// run makes one check.
func (e *examination) run(ctx context.Context, c check) error {
	f := Finding{Name: c.name, Sent: c.sent, Expected: expected(c), Section: c.section}
	if c.good && e.cfg.Signer == nil {
		f.Verdict, f.Advice = NotTested, "Give --client and --config, so that tokens can be signed as the provider does."
		e.add(f)
		return nil
	}
	if c.needs != nil {
		if reason := c.needs(e.cfg); reason != "" {
			f.Verdict, f.Advice = NotTested, reason
			e.add(f)
			return nil
		}
	}
	request, err := c.build(ctx, &e.bench)
	if err != nil {
		return fmt.Errorf("doctor: making the token of %s: %w", c.name, err)
	}
	answer, err := e.send(ctx, c.name, request)
	if err != nil {
		return err
	}
	e.add(e.judge(c, f, answer))
	return nil
}

func (e *examination) add(f Finding) { e.report.Findings = append(e.report.Findings, f) }

// replay sends one good token twice (2.6 step 8 leaves the check to the relying party).
func (e *examination) replay(ctx context.Context) error {
	c := check{
		name: "replay", sent: "a token that was accepted before", section: "Back-Channel Logout 1.0, 2.6 step 8", lenient: true,
		advice: "Remember the jti of what you accepted until it expires, and refuse it the second time.",
	}
	f := Finding{Name: c.name, Sent: c.sent, Expected: expected(c), Section: c.section}
	if e.cfg.Signer == nil {
		f.Verdict, f.Advice = NotTested, "Give --client and --config, so that tokens can be signed as the provider does."
		e.add(f)
		return nil
	}
	token, err := e.sign(ctx, e.cfg.Algorithm, "logout+jwt", e.claims())
	if err != nil {
		return fmt.Errorf("doctor: making the token of %s: %w", c.name, err)
	}
	first, err := e.send(ctx, c.name, post(token))
	if err != nil {
		return err
	}
	if first.status != http.StatusOK && first.status != http.StatusNoContent {
		f.Verdict, f.Got, f.Advice = NotTested, first.String(), "A good token must be accepted before it can be replayed."
		e.add(f)
		return nil
	}
	second, err := e.send(ctx, c.name, post(token))
	if err != nil {
		return err
	}
	e.add(e.judge(c, f, second))
	return nil
}
