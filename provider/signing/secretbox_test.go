package signing_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/provider/signing"
)

func TestSecretbox(t *testing.T) {
	box := func(secrets ...byte) *signing.Secretbox {
		t.Helper()
		var all [][32]byte
		for _, s := range secrets {
			all = append(all, [32]byte{s})
		}
		b, err := signing.NewSecretbox(all, "a test")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	sealed := box(1).Seal("Bearer push-token", "stream 1")
	if strings.Contains(string(sealed), "push-token") {
		t.Error("the secret can be read")
	}
	if text, err := box(2, 1).Open(sealed, "stream 1"); err != nil || text != "Bearer push-token" {
		t.Errorf("after a rotation: %q, %v", text, err)
	}
	other, err := signing.NewSecretbox([][32]byte{{1}}, "another use")
	if err != nil {
		t.Fatal(err)
	}
	altered := append([]byte{}, sealed...)
	altered[len(altered)-1] ^= 1
	for name, open := range map[string]func() (string, error){
		"another place":  func() (string, error) { return box(1).Open(sealed, "stream 2") },
		"another secret": func() (string, error) { return box(2).Open(sealed, "stream 1") },
		"another use":    func() (string, error) { return other.Open(sealed, "stream 1") },
		"altered":        func() (string, error) { return box(1).Open(altered, "stream 1") },
		"nothing":        func() (string, error) { return box(1).Open(nil, "stream 1") },
	} {
		if text, err := open(); !errors.Is(err, signing.ErrUnreadable) || text != "" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if _, err := signing.NewSecretbox(nil, "a test"); err == nil {
		t.Error("a secretbox without a secret")
	}
}
