package protocol

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// SessionStatus answers POST /api/session/status, {"client_id", "id_token"}: whether the ID token's session lives. It is what a page asks when
// nothing better gets through, and so the one question that an ID token may ask after it has expired. Asking keeps no session alive.
type SessionStatus struct{ Page }

// sessionStatus is the answer.
type sessionStatus struct {
	Status string `json:"status"` // live or ended
}

// Post answers {"status"}, or an error of RFC 6749, 5.2.
func (s *SessionStatus) Post(c echo.Context) error {
	request, err := s.read(c, false)
	if err != nil {
		return err
	}
	if request.hint == nil {
		return invalidRequest("The member id_token is missing.")
	}
	return c.JSON(http.StatusOK, sessionStatus{request.status()})
}
