package identity

import (
	"slices"
	"testing"
)

func TestChangedMetadata(t *testing.T) {
	got := ChangedMetadata([]byte(`{"a":1,"b":"x","gone":true}`), []byte(`{"a":1,"b":"y","new":[]}`), true)
	if want := []string{"b", "client_secret", "gone", "new"}; !slices.Equal(got, want) {
		t.Errorf("changed %q, want %q", got, want)
	}
}
