package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
)

// Home is the page at the root: what this place is, and who is signed in.
//
// GET /
//
//  1. Look who is signed in.
//  2. Offer the way in or the way out.
type Home struct {
	Current Current
	Users   Users
	Pages   *browser.Renderer
}

// Get shows the page.
func (h *Home) Get(c echo.Context) error {
	user, err := person(c.Request().Context(), h.Current, h.Users, c.Request())
	if err != nil {
		return err
	}
	return h.Pages.Render(c, http.StatusOK, "home", browser.Page{Data: browser.HomePage{SignedIn: user.ID != "", Username: user.Username}})
}
