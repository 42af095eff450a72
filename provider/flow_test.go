package provider_test

import (
	"net/http"
	"testing"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

func TestCodeFlow(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		alice := w.browser()
		shop := alice.firstSignOn("shop", "alice")
		wiki := alice.signOn("wiki")
		t.Log(claims(t, shop.id), claims(t, wiki.id))
		if !w.active("shop", shop.access) || !w.active("wiki", wiki.access) || w.active("wiki", shop.access) {
			t.Fatal("introspection is wrong")
		}
		bye := alice.get("/logout", map[string][]string{"client_id": {"shop"}, "redirect_uri": {"https://shop.example.com/bye"}, "state": {"x y"}})
		bye.want(http.StatusSeeOther).wantRedirect("https://shop.example.com/bye?state=x%20y")
		t.Log(w.told("shop"), w.told("wiki"))
		if w.active("shop", shop.access) || w.active("wiki", wiki.access) {
			t.Fatal("tokens live")
		}
	})
}
