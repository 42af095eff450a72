package signing

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestVault(t *testing.T) {
	vault := func(seeds ...byte) *Vault {
		var secrets [][32]byte
		for _, b := range seeds {
			secrets = append(secrets, [32]byte(bytes.Repeat([]byte{b}, 32)))
		}
		v, err := NewVault(secrets)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	want := []string{"whsec_new", "whsec_old"}
	value, err := vault(1).Seal("shop", want)
	if err != nil || bytes.Contains(value, []byte("whsec")) {
		t.Fatalf("sealed %q, %v", value, err)
	}
	for name, test := range map[string]struct {
		vault  *Vault
		client string
		newest bool
		fails  string
	}{
		"the newest secret":  {vault(1, 2), "shop", true, ""},
		"an older secret":    {vault(2, 1), "shop", false, ""},
		"the secret is gone": {vault(2), "shop", false, "put that secret back"},
		"another client":     {vault(1), "bank", false, "altered"},
	} {
		got, newest, err := test.vault.Open(test.client, value)
		switch {
		case test.fails != "" && (!errors.Is(err, ErrSealed) || !strings.Contains(err.Error(), test.fails)):
			t.Errorf("%s: %v", name, err)
		case test.fails == "" && (err != nil || !slices.Equal(got, want) || newest != test.newest):
			t.Errorf("%s: %q, newest %t, %v", name, got, newest, err)
		}
	}
	if _, err := NewVault(nil); err == nil {
		t.Error("a vault without a secret")
	}
}
