package rp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// webhookSecret is a symmetric key of Standard Webhooks.
type webhookSecret []byte

// parseWebhookSecret reads "whsec_" and base64. The error does not show it.
func parseWebhookSecret(text string) (webhookSecret, error) {
	encoded, ok := strings.CutPrefix(text, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) < 16 {
		return nil, errors.New("write whsec_ and at least 16 bytes in base64, as the provider shows it")
	}
	return key, nil
}

var errUnsigned = errors.New("rp: the webhook is not signed with a secret that this application knows, or long ago")

// verifyWebhook checks the headers of a webhook against its body, as Standard
// Webhooks says, and returns the id of the event. Several secrets and several
// signatures are there while a secret is being changed: one pair must fit.
func verifyWebhook(header http.Header, body []byte, secrets []webhookSecret, now time.Time, tolerance time.Duration) (id string, err error) {
	id, timestamp := header.Get("Webhook-Id"), header.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if id == "" || len(id) > 256 || err != nil {
		return "", errUnsigned
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return "", errUnsigned
	}
	good := false
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		for _, signature := range strings.Fields(header.Get("Webhook-Signature")) {
			good = hmac.Equal([]byte(signature), expected) || good
		}
	}
	if !good {
		return "", errUnsigned
	}
	return id, nil
}
