package protocol

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-jose/go-jose/v4"
	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// PublicKeys knows the public halves of the signing keys: next, active and retired.
type PublicKeys interface {
	PublicSet(ctx context.Context) (jose.JSONWebKeySet, error)
}

// Keys answers GET /keys: the JWK Set (RFC 7517, 5). Receivers may keep it for identity.KeySetLife; a key is published well before it signs.
type Keys struct{ Keyring PublicKeys }

// Get answers with the set. A private key among them would be a fault of ours, so it stops the answer.
func (k *Keys) Get(c echo.Context) error {
	set, err := k.Keyring.PublicSet(c.Request().Context())
	if err != nil {
		return err
	}
	for i := range set.Keys {
		if !set.Keys[i].IsPublic() {
			return errors.New("protocol: the key set holds a private key; it was not published")
		}
	}
	c.Response().Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(identity.KeySetLife.Seconds())))
	return c.JSON(http.StatusOK, set)
}
