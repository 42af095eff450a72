package logout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// DeliveryIDHeader carries the delivery's id, which stays the same over all attempts while the token is new each time.
const DeliveryIDHeader = "Exeunt-Delivery-Id"

const (
	maxAnswer  = 64 << 10 // bytes of an answer that are read, so that its connection can be used again
	maxSnippet = 512      // bytes of it that are kept
)

// backchannel tells a relying party by OpenID Connect Back-Channel Logout 1.0, section 2.5.
type backchannel struct {
	sender
	issuer  string
	clients Clients
	signer  Signer
	now     func() time.Time
}

// plan implements channel.
func (b *backchannel) plan(_ context.Context, plan *Plan, part Participation, client Client) ([]Delivery, error) {
	if client.BackchannelLogoutURI == "" {
		return nil, nil
	}
	d := plan.delivery(ChannelBackchannel, part)
	d.URI, d.Alg, d.Private = client.BackchannelLogoutURI, client.SigningAlg, client.AllowPrivateNetwork
	return []Delivery{d}, nil
}

// Notify implements Notifier.
func (b *backchannel) Notify(ctx context.Context, d Delivery) (Answer, error) {
	client, err := b.receiver(ctx, d)
	if err != nil {
		return Answer{}, err
	}
	token, err := mintLogoutToken(ctx, b.signer, b.issuer, client.SigningAlg, d, b.now())
	if err != nil {
		return Answer{}, fmt.Errorf("signing the logout token with %s: %w", client.SigningAlg, err)
	}
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, client.BackchannelLogoutURI, body)
	if err != nil {
		return Answer{}, fmt.Errorf("backchannel_logout_uri: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set(DeliveryIDHeader, d.ID)
	return b.send(client.AllowPrivateNetwork, req, func(res *http.Response, body []byte) error { return judge(res, body, b.now()) })
}

// receiver returns the client as it is registered now, or as it was when the session ended if it has been deleted since.
func (b *backchannel) receiver(ctx context.Context, d Delivery) (Client, error) {
	client, err := b.clients.LogoutClient(ctx, d.ClientID)
	switch {
	case errors.Is(err, ErrNoClient):
		return Client{ID: d.ClientID, BackchannelLogoutURI: d.URI, SigningAlg: d.Alg, AllowPrivateNetwork: d.Private}, nil
	case err == nil && client.BackchannelLogoutURI == "":
		return Client{ID: d.ClientID, BackchannelLogoutURI: d.URI, SigningAlg: d.Alg, AllowPrivateNetwork: client.AllowPrivateNetwork}, nil
	}
	return client, err
}

// judge reads an answer. Section 2.8 asks for 200, or 400 for an invalid token; frameworks answer 204 and other 2xx, which say the same.
// Anything else may be a proxy that is rolling out, so it stays on the schedule.
func judge(res *http.Response, body []byte, now time.Time) error {
	if res.StatusCode == http.StatusBadRequest && saysInvalid(res, body) {
		return &RejectedError{Reason: "the relying party calls the logout token invalid (400 invalid_request)"}
	}
	return judgeStatus(res, now)
}

// judgeStatus is for every channel: any 2xx acknowledges, anything else stays on the schedule. 410 too, which Standard Webhooks would have
// turn the endpoint off: a logout endpoint is never given up, because an ingress answers anything while it rolls out.
func judgeStatus(res *http.Response, now time.Time) error {
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return nil
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return fmt.Errorf("the endpoint answered %s; redirects are not followed: register the address it redirects to", status(res.StatusCode))
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable:
		if after := retryAfter(res.Header.Get("Retry-After"), now); after > 0 {
			return &RetryError{After: after, Reason: fmt.Sprintf("the endpoint answered %s and asked to wait %s", status(res.StatusCode), after.Round(time.Second))}
		}
	}
	return fmt.Errorf("the endpoint answered %s", status(res.StatusCode))
}

// status names an HTTP status in our words: those of the answer may be anything.
func status(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

// saysInvalid reports whether a 400 comes from the relying party's own check of the token rather than from something before it.
func saysInvalid(res *http.Response, body []byte) bool {
	mediaType, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return false
	}
	var answer struct {
		Error string `json:"error"`
	}
	return json.Unmarshal(body, &answer) == nil && answer.Error == "invalid_request"
}

// retryAfter reads the header in both its forms (RFC 9110, 10.2.3); 0 when there is none that makes sense.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return min(time.Duration(seconds)*time.Second, longestRetry)
	}
	if at, err := http.ParseTime(value); err == nil {
		return at.Sub(now)
	}
	return 0
}

// signed finds what has the form of a signed token.
var signed = regexp.MustCompile(`\b(eyJ[\w-]+\.[\w-]+)\.[\w-]+`)

// snippet keeps the beginning of what came from outside as printable text, which every database takes. A token that a receiver sends back loses
// its signature: whoever reads receipts must not be able to use it.
func snippet(text []byte) string {
	if len(text) > maxSnippet {
		text = text[:maxSnippet]
	}
	text = signed.ReplaceAll(text, []byte("$1.*"))
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f {
			return r
		}
		return -1
	}, strings.ToValidUTF8(string(text), ""))
}

// plainError drops the method and URL that net/http puts before every error: they are in the receipt already. What net/http reports comes
// from the wire, so it counts against the receiver.
func plainError(err error) error {
	var wrapped *url.Error
	if !errors.As(err, &wrapped) {
		return err
	}
	if wrapped.Timeout() {
		return &NoAnswerError{Err: errors.New("no answer in time")}
	}
	return &NoAnswerError{Err: unplaced(wrapped.Err)}
}

// unplaced leaves out of an error of the network where it was: receipts are for the client too, which must not learn by its endpoint what names
// mean inside, or from which address and by which server's word we called. A public address that does not answer is named.
func unplaced(err error) error {
	var lookup *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &lookup):
		return fmt.Errorf("lookup %s: %s", lookup.Name, lookup.Err)
	case !errors.As(err, &op):
		return err
	}
	what := op.Op
	if to, ok := op.Addr.(*net.TCPAddr); ok && what == "dial" && Global(to.AddrPort().Addr()) {
		what += " " + to.String()
	}
	return fmt.Errorf("%s: %w", what, unplaced(op.Err))
}
