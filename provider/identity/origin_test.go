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

func ExampleClient_Owns() {
	shop := identity.Client{RedirectURIs: []string{"https://shop.example.com/callback", "com.example.shop:/cb"}}
	for _, uri := range []string{
		"https://SHOP.example.com:443/out?x=y", "https://shop.example.com:444/", "http://shop.example.com/", "https://shop.example.com@evil.example.com/",
		`https://shop.example.com\@evil.example.com/`, "com.example.shop:/out", "javascript:alert(1)", "//shop.example.com/", "",
	} {
		fmt.Println(shop.Owns(uri), uri)
	}
	// Output:
	// true https://SHOP.example.com:443/out?x=y
	// false https://shop.example.com:444/
	// false http://shop.example.com/
	// false https://shop.example.com@evil.example.com/
	// false https://shop.example.com\@evil.example.com/
	// false com.example.shop:/out
	// false javascript:alert(1)
	// false //shop.example.com/
	// false
}
