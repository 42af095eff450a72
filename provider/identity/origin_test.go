package identity_test

import (
	"fmt"

	"github.com/exeunt-id/exeunt/provider/identity"
)

func ExampleClient_Origins() {
	shop := identity.Client{ApplicationType: "web", RedirectURIs: []string{
		"https://shop.example.com/callback", "https://Shop.example.com:443/other", "http://localhost:3000/cb", "https://[2001:db8::1]:8443/",
	}}
	fmt.Println(shop.Origins())
	app := identity.Client{ApplicationType: "native", RedirectURIs: []string{"http://127.0.0.1/cb", "com.example.app:/cb", "https://app.example.com/cb"}}
	fmt.Println(app.Origins())
	app.AllowedOrigins = []string{"https://pages.example.com"}
	fmt.Println(app.Origins())
	// Output:
	// [https://shop.example.com http://localhost:3000 https://[2001:db8::1]:8443]
	// [https://app.example.com]
	// [https://pages.example.com]
}
