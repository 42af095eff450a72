package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// pathReceipts is what the script of a page of receipts asks.
const pathReceipts = "/logged_out/receipts"

const (
	refreshEvery = 3 * time.Second
	refreshFor   = 3 * time.Minute // after the logout; a forgotten tab must not ask for ever
	refreshSoon  = time.Minute     // a retry that is further away is not waited for

	// The script asks more often at first, when most of it happens, and as long as the cookie lasts.
	pollFast, pollFastFor = time.Second, 15 * time.Second
	pollSlow              = 10 * time.Second
)

// LoggedOut is the page after a logout: which apps have been told. It names no person, because computers are shared.
//
// GET /logged_out
//
//  1. The receipt cookie points at the logout of this browser. Without it, or when it is old, only "you are logged out".
//  2. One line per app with the least certain of its deliveries.
//  3. Without scripts the page is loaded again while somebody is about to be told, for a few minutes at most. With them it stays, and a
//     script of ours asks GET /logged_out/receipts until everything is final.
//
// The optional parameter client_id names the app that sent the person here; the page then leads back to its registered client_uri,
// never to an address from the request.
type LoggedOut struct {
	Receipts Receipts
	Clients  identity.Clients
	Cookies  browser.Cookies
	Pages    *browser.Renderer
	Now      func() time.Time
}

// Get shows the page.
func (h *LoggedOut) Get(c echo.Context) error {
	ctx, r := c.Request().Context(), c.Request()
	page, err := h.page(c, h.Cookies.Receipt(r))
	if err != nil {
		return err
	}
	page.Here = withLocales(c, signout.DonePath)
	if client, err := h.client(ctx, c.QueryParam("client_id")); err != nil {
		return err
	} else if uri := webURI(client.URI); uri != "" {
		page.ReturnURI, page.ReturnName = uri, displayName(client)
	}
	return h.Pages.Render(c, http.StatusOK, "logged_out", browser.Page{Data: page, Live: page.PollMillis > 0})
}

// receiptsAnswer is what the script reads: the changing part of the page.
type receiptsAnswer struct {
	Summary    string           `json:"summary"`
	Told       int              `json:"told"`
	Total      int              `json:"total"`
	Apps       []receiptsAppRow `json:"apps"`
	PollMillis int              `json:"poll_ms"` // when to ask again; 0: everything is final, or the receipts are too old to be shown
}

type receiptsAppRow struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Text  string `json:"text"`
}

// ReceiptsJSON answers GET /logged_out/receipts with what the page shows, as JSON. The receipt cookie alone decides of which logout; whoever has
// none learns nothing.
func (h *LoggedOut) ReceiptsJSON(c echo.Context) error {
	page, err := h.page(c, h.Cookies.Receipt(c.Request()))
	if err != nil {
		return err
	}
	answer := receiptsAnswer{Summary: page.Summary, Told: page.Told, Total: page.Total, Apps: []receiptsAppRow{}, PollMillis: page.PollMillis}
	for _, app := range page.Apps {
		answer.Apps = append(answer.Apps, receiptsAppRow(app))
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.JSON(http.StatusOK, answer)
}

// page reads the receipts of a logout; "" has none.
func (h *LoggedOut) page(c echo.Context, logoutID string) (browser.LoggedOutPage, error) {
	page := browser.LoggedOutPage{From: withLocales(c, pathReceipts)}
	ctx, l := c.Request().Context(), h.Pages.Language(c)
	if logoutID == "" {
		return page, nil
	}
	receipts, err := h.Receipts.Receipts(ctx, logoutID)
	if err != nil || len(receipts) == 0 {
		return page, err
	}
	now, began := h.Now(), receipts[0].CreatedAt
	if now.Sub(began) > browser.ReceiptLifetime {
		return page, nil
	}
	soon := false
	var asked, waiting, retrying, failed []string
	for _, receipt := range leastCertain(receipts) {
		client, err := h.client(ctx, receipt.ClientID)
		if err != nil {
			return page, err
		}
		app := browser.AppReceipt{Name: cmp.Or(displayName(client), receipt.ClientID)}
		mark, key := describeState(receipt)
		app.State, app.Text = mark, l.Text(key)
		switch app.State {
		case markTold:
			page.Told++
		case markAsked:
			asked = append(asked, app.Name)
		case markWaiting:
			waiting = append(waiting, app.Name)
			soon = true
		case markRetrying:
			retrying = append(retrying, app.Name)
			soon = soon || receipt.State == logout.StatePending || receipt.NextAt.Sub(now) < refreshSoon
		case markFailed:
			failed = append(failed, app.Name)
		}
		page.Apps = append(page.Apps, app)
	}
	page.Total, page.Retrying = len(page.Apps), len(retrying) > 0
	page.Summary = summarise(l, page.Told, page.Total, asked, waiting, retrying, failed)
	if soon && now.Sub(began) < refreshFor {
		page.RefreshSeconds = int(refreshEvery / time.Second)
	}
	if page.Retrying {
		page.PollMillis = int(pollEvery(now.Sub(began)) / time.Millisecond)
	}
	return page, nil
}

// pollEvery is how soon the script asks again, so long after the logout.
func pollEvery(since time.Duration) time.Duration {
	switch {
	case since < pollFastFor:
		return pollFast
	case since < refreshFor:
		return refreshEvery
	default:
		return pollSlow
	}
}

// client returns the zero Client for one that is unknown or has been deleted.
func (h *LoggedOut) client(ctx context.Context, id string) (identity.Client, error) {
	if id == "" || len(id) > maxUsername || clean(id, maxUsername) != id {
		return identity.Client{}, nil
	}
	client, err := h.Clients.Client(ctx, id)
	if errors.Is(err, identity.ErrNoClient) {
		return identity.Client{}, nil
	}
	return client, err
}

// leastCertain keeps one receipt per client, in the order in which they come: several of its sessions may have ended at once, and
// the app counts as told only when it knows of all of them. What this browser asked an app, or what lies ready for it, beside another channel
// adds nothing to what that channel knows.
func leastCertain(receipts []logout.Receipt) []logout.Receipt {
	rank := func(r logout.Receipt) int {
		switch mark, _ := describeState(r); mark {
		case markTold:
			return 0
		case markAsked, markWaiting:
			return 1
		case markFailed:
			return 2
		default:
			return 3
		}
	}
	elsewhere := map[string]bool{}
	for _, receipt := range receipts {
		elsewhere[receipt.ClientID] = elsewhere[receipt.ClientID] || receipt.State != logout.StateUnconfirmed
	}
	var kept []logout.Receipt
	for _, receipt := range receipts {
		if receipt.State == logout.StateUnconfirmed && elsewhere[receipt.ClientID] {
			continue
		}
		i := slices.IndexFunc(kept, func(k logout.Receipt) bool { return k.ClientID == receipt.ClientID })
		switch {
		case i < 0:
			kept = append(kept, receipt)
		case rank(receipt) > rank(kept[i]):
			kept[i] = receipt
		}
	}
	return kept
}
