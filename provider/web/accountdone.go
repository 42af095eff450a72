package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
)

// Done answers GET /account/done: what the person's last logout has ended, and which apps have been told, for those who stay signed in. The
// receipt cookie points at the logout, and only one of the person who is signed in is shown.
func (h *Account) Done(c echo.Context) error {
	me, user, err := h.me(c)
	if err != nil || user.ID == "" {
		return h.toLogin(c, err)
	}
	ctx, l := c.Request().Context(), h.Pages.Language(c)
	page := browser.AccountDonePage{Heading: l.Text("account_done.nothing"), BackURI: withLocales(c, pathAccount)}
	record, found, err := h.ended(c, me.Subject)
	if err != nil {
		return err
	}
	if !found {
		return h.Pages.Render(c, http.StatusOK, "account_done", browser.Page{Data: page})
	}
	page.Ended = true
	if page.Receipts, err = h.LoggedOut.page(c, record.ID); err != nil {
		return err
	}
	page.Receipts.Here = withLocales(c, pathAccountDone)
	switch {
	case record.Cause == logout.CauseAccountApp:
		client, err := h.names().find(ctx, record.Target.ClientID)
		if err != nil {
			return err
		}
		page.Heading = l.Text("account_done.app", "app", displayName(client))
	case record.Cause == logout.CauseDeviceDetached:
		page.Heading = l.Text("account_done.device")
	case record.Cause == logout.CausePasswordChanged:
		page.Heading = l.Text("account_done.password")
		if record.Sessions > 0 {
			page.Text = l.Text("account_done.password_sessions", "n", record.Sessions)
		}
	case record.Sessions > 0:
		page.Heading = l.Text("account_done.sessions", "n", record.Sessions)
	default: // only grants that outlive sessions
		page.Heading = l.Text("account_done.title")
	}
	return h.Pages.Render(c, http.StatusOK, "account_done", browser.Page{Data: page, Live: page.Receipts.PollMillis > 0})
}

// ended returns the logout whose receipts this browser may see, if it is one that the account pages begin, of this person, and not too old.
func (h *Account) ended(c echo.Context, subject string) (logout.Record, bool, error) {
	id := h.Cookies.Receipt(c.Request())
	if id == "" {
		return logout.Record{}, false, nil
	}
	records, err := h.Journal.Logouts(c.Request().Context(), logout.LogoutFilter{LogoutID: id, Limit: 1})
	if err != nil || len(records) == 0 {
		return logout.Record{}, false, err
	}
	record := records[0]
	switch record.Cause {
	case logout.CauseAccount, logout.CauseAccountApp, logout.CauseDeviceDetached, logout.CausePasswordChanged:
		return record, record.Subject == subject && h.Now().Sub(record.At) <= browser.ReceiptLifetime, nil
	default:
		return record, false, nil
	}
}
