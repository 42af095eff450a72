package logout

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// WebhookKey signs what is sent to a webhook. Printed with any verb it is "[redacted]".
type WebhookKey struct{ key []byte }

// The sizes that Standard Webhooks allows for a symmetric secret, in bytes.
const (
	minWebhookKey = 24
	maxWebhookKey = 64
)

// webhookKeyPrefix marks a symmetric secret of Standard Webhooks.
const webhookKeyPrefix = "whsec_"

// ParseWebhookKey reads a secret of Standard Webhooks: whsec_ and the base64 of 24 to 64 bytes. Errors do not show it.
func ParseWebhookKey(secret string) (WebhookKey, error) {
	text, ok := strings.CutPrefix(secret, webhookKeyPrefix)
	if !ok {
		return WebhookKey{}, fmt.Errorf("does not begin with %s", webhookKeyPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return WebhookKey{}, errors.New("is not base64 after " + webhookKeyPrefix)
	}
	if len(key) < minWebhookKey || len(key) > maxWebhookKey {
		return WebhookKey{}, fmt.Errorf("holds %d bytes instead of %d to %d", len(key), minWebhookKey, maxWebhookKey)
	}
	return WebhookKey{key: key}, nil
}

// sign returns a signature with its version, over the id, the Unix time and the body.
func (k WebhookKey) sign(id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, k.key)
	_, _ = fmt.Fprintf(mac, "%s.%s.", id, timestamp) // a hash never fails
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Format implements fmt.Formatter.
func (WebhookKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }
