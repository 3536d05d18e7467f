package web

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestEchoes: a token is found anywhere in an answer, as it is or escaped.
func TestEchoes(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.x-Y_z"
	rest := strings.Repeat(`{"key":"capstor","type":"eyJhbGci"},`, 200)
	for _, form := range []string{token, `\u0065` + token[1:], token[:5] + `\u0047` + token[6:]} {
		for _, body := range []string{form, form + rest, rest + form, rest + form + rest,
			token[:7] + form, token[:len(token)-1] + form} {
			if !Echoes([]byte(body), token) {
				t.Errorf("%.60s… is not seen in %.60s…", form, body)
			}
		}
	}
	for _, body := range []string{"", rest, rest + token[1:], token[:len(token)-1] + rest} {
		if Echoes([]byte(body), token) {
			t.Errorf("an echo is seen in %.60s…", body)
		}
	}
	if Echoes([]byte(rest), "") {
		t.Error("an empty secret is seen")
	}
}

// TestContains: the fast search finds what the standard library finds.
func TestContains(t *testing.T) {
	text := rapid.StringOf(rapid.SampledFrom([]rune("ab")))
	rapid.Check(t, func(t *rapid.T) {
		body, token := text.Draw(t, "body"), text.Draw(t, "token")+"b"
		if want := strings.Contains(body, token); contains([]byte(body), []byte(token)) != want {
			t.Errorf("%q in %q: want %v", token, body, want)
		}
	})
}

// BenchmarkEchoes looks for tokens of two lengths in a page of a listing.
func BenchmarkEchoes(b *testing.B) {
	body := bytes.Repeat([]byte(`{"itemId":"6c6e25d8-b7e6-5fbc-8dc0-b3129954a53f","status":"active",`+
		`"mountPoint":{"default":"/capstor/store/cscs/mch/msclim"},"storageSystem":{"key":"capstor",`+
		`"name":"CAPSTOR","active":true},"targetType":"project","unixGid":30501}`), 2500)
	for _, n := range []int{40, 1000} {
		token := ("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9." + strings.Repeat("x9Qz", 300))[:n]
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if Echoes(body, token) {
					b.Fatal("an echo")
				}
			}
		})
	}
}
