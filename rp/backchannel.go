package rp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
)

// maxBodyBytes leaves room for a token of the greatest size, percent-encoded,
// and for form fields that are ignored.
const maxBodyBytes = 4 * maxTokenBytes

// BackchannelConfig is what the back-channel logout endpoint needs.
type BackchannelConfig struct {
	// Verifier checks the logout tokens. Required.
	Verifier *LogoutTokenVerifier
	// End ends the local sessions that the token means: the one with its SID, or,
	// if SID is empty, all of its Subject. That there is none (any more) is
	// success. Any error is answered with 503, and the provider may try again.
	// No lock is held while End runs, and it may run for several tokens at once.
	// Required.
	End func(ctx context.Context, token *LogoutToken) error
	// Replays recognises tokens that were received before. Defaults to a
	// [MemoryReplays], which suffices for an application of one process.
	Replays ReplayStore
	// Logger is told what was refused and what failed. Defaults to slog.Default().
	Logger *slog.Logger
}

// BackchannelLogout is the endpoint to register as backchannel_logout_uri
// (Back-Channel Logout 1.0, sections 2.5 to 2.8). Mount it without cookies,
// CSRF protection or login in front of it: the provider calls, no browser.
type BackchannelLogout struct {
	cfg BackchannelConfig
}

// NewBackchannelLogout returns the endpoint. The error names the field of cfg
// that is missing.
func NewBackchannelLogout(cfg BackchannelConfig) (*BackchannelLogout, error) {
	if cfg.Verifier == nil {
		return nil, errors.New("rp: BackchannelConfig.Verifier is nil: make one with NewLogoutTokenVerifier")
	}
	if cfg.End == nil {
		return nil, errors.New("rp: BackchannelConfig.End is nil: set the function that ends your sessions")
	}
	if cfg.Replays == nil {
		cfg.Replays = NewMemoryReplays(0, cfg.Verifier.now)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &BackchannelLogout{cfg: cfg}, nil
}

// ServeHTTP receives one logout token.
func (b *BackchannelLogout) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// 1. No answer of this endpoint may be cached (2.8).
	w.Header().Set("Cache-Control", "no-store")

	// 2. POST only (2.5).
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}

	// 3. One logout_token in a form-encoded body; other fields are ignored (2.5).
	raw, err := logoutTokenField(w, r)
	if err != nil {
		b.fail(w, r, err)
		return
	}

	// 4. The token itself (2.6).
	token, err := b.cfg.Verifier.Verify(r.Context(), raw)
	if err != nil {
		b.fail(w, r, err)
		return
	}

	// 5. The local sessions end (2.7); the jti is recorded together with that (2.6 step 8).
	err = b.cfg.Replays.Once(r.Context(), replayKey(token), b.cfg.Verifier.acceptedUntil(token),
		func(ctx context.Context) error { return b.cfg.End(ctx, token) })
	if errors.Is(err, ErrReplayed) {
		err = refuse(CheckJti, "a token with this jti was received before")
	} else if err != nil {
		// Whatever End returned is ours to mend, even if it looks like a bad token.
		err = &TemporaryError{Reason: "the sessions of a logout token could not be ended", Err: err}
	}
	if err != nil {
		b.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// fail answers a *TokenError with 400, so that the provider need not try again,
// and everything else with 503, so that it does.
func (b *BackchannelLogout) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, answer := http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable"}
	var refused *TokenError
	var temporary *TemporaryError // decides, whatever it wraps
	if errors.As(err, &refused) && !errors.As(err, &temporary) {
		status = http.StatusBadRequest
		answer = map[string]string{"error": "invalid_request", "error_description": string(refused.Check) + ": " + refused.Reason}
		b.cfg.Logger.WarnContext(r.Context(), "logout token refused", "check", refused.Check, "reason", refused.Reason)
	} else {
		w.Header().Set("Retry-After", "5")
		b.cfg.Logger.ErrorContext(r.Context(), "logout token not processed, the provider may send it again", "error", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		b.cfg.Logger.DebugContext(r.Context(), "the provider did not read the answer", "error", err)
	}
}

// logoutTokenField returns the one logout_token of the body. Parameters of the
// query are not looked at: a token does not belong there.
func logoutTokenField(w http.ResponseWriter, r *http.Request) (string, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return "", refuse(CheckRequest, "Content-Type is not application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return "", refuse(CheckRequest, "the body has more than %d bytes", maxBodyBytes)
	}
	if err != nil {
		return "", &TemporaryError{Reason: "the body could not be read", Err: err}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", refuse(CheckRequest, "the body is not form-encoded")
	}
	if n := len(form["logout_token"]); n != 1 {
		return "", refuse(CheckRequest, "the body has %d fields logout_token, expected one", n)
	}
	return form.Get("logout_token"), nil
}

// replayKey names a token for a ReplayStore: short, whatever the provider
// chose as jti, and distinct for each issuer.
func replayKey(token *LogoutToken) string {
	sum := sha256.Sum256([]byte(token.Issuer + "\x00" + token.JTI))
	return hex.EncodeToString(sum[:])
}
