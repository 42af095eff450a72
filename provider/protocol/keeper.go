package protocol

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"
)

// keptParameter carries a sealed request.
const keptParameter = "kept"

// bounceLife is how long a browser may take to follow a redirect.
const bounceLife = 2 * time.Minute

// errKept says that a sealed request is forged, meant for another use, or too old.
var errKept = errors.New("protocol: the kept request cannot be opened")

// Keeper seals requests that must come back to us through the browser: a cross-site POST that is repeated as a GET, and a logout that
// the person confirms. Tokens and hints in them can be read by nobody on the way, neither in a log nor in a history, and nobody can
// make one. They are no authority: what comes back is validated as if it came for the first time.
type Keeper struct {
	aeads []cipher.AEAD
	now   func() time.Time
}

// NewKeeper derives its keys from the configured secrets: the first seals, all of them open.
func NewKeeper(secrets [][32]byte, now func() time.Time) (*Keeper, error) {
	if len(secrets) == 0 {
		return nil, errors.New("protocol: kept requests need a secret")
	}
	k := &Keeper{now: now}
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, secret[:], nil, "exeunt kept request 1", 32)
		if err != nil {
			return nil, fmt.Errorf("protocol: kept requests: %w", err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("protocol: kept requests: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("protocol: kept requests: %w", err)
		}
		k.aeads = append(k.aeads, aead)
	}
	return k, nil
}

// keptRequest is what is sealed.
type keptRequest struct {
	Values    url.Values `json:"v"`
	SessionID string     `json:"s,omitempty"` // the session that the person was asked about
	Until     int64      `json:"u"`           // Unix seconds
}

// seal encrypts a request for one use, named by the path that it comes back to.
func (k *Keeper) seal(path string, r keptRequest, life time.Duration) (string, error) {
	r.Until = k.now().Add(life).Unix()
	plain, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("protocol: keeping a request: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(k.aeads[0].Seal(nil, nil, plain, []byte(path))), nil
}

// open undoes seal. Its only error is errKept.
func (k *Keeper) open(path, sealed string) (keptRequest, error) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return keptRequest{}, errKept
	}
	for _, aead := range k.aeads {
		plain, err := aead.Open(nil, nil, raw, []byte(path))
		if err != nil {
			continue
		}
		var r keptRequest
		if json.Unmarshal(plain, &r) != nil || k.now().Unix() > r.Until {
			return keptRequest{}, errKept
		}
		return r, nil
	}
	return keptRequest{}, errKept
}

// bounce sends the browser to the same endpoint by GET, the request kept.
func (k *Keeper) bounce(c echo.Context, path string, values url.Values) error {
	sealed, err := k.seal(path, keptRequest{Values: values}, bounceLife)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	return c.Redirect(http.StatusSeeOther, path+"?"+keptParameter+"="+sealed)
}

// kept returns what bounce kept.
func (k *Keeper) kept(path, sealed string) (url.Values, error) {
	r, err := k.open(path, sealed)
	return r.Values, err
}
