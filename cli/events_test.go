package cli

import (
	"slices"
	"testing"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/logout"
)

// The configuration imports nothing of ours, so it names the events once more.
func TestWebhookEvents(t *testing.T) {
	if got, want := config.WebhookEvents, logout.EventTypes(); !slices.Equal(got, want) {
		t.Errorf("the configuration knows %q, the engine %q", got, want)
	}
}
