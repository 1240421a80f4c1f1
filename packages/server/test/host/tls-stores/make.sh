#!/usr/bin/env bash
# Makes the stores in this folder anew, in Java's and OpenSSL's own hand: needs openssl 3 and keytool (JDK 17).
# Valid from 2020 to 2120, so that no clock spoils the tests. Every password is "changeit".
set -euo pipefail
out=$(cd "$(dirname "$0")" && pwd)
cd "$(mktemp -d)"
pass=changeit

cat > ca.cnf <<'EOF'
[ca]
default_ca = test
[test]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
email_in_dn = yes
[any]
commonName = optional
[root]
basicConstraints = critical,CA:TRUE
keyUsage = keyCertSign,cRLSign
[server]
subjectAltName = DNS:localhost,IP:127.0.0.1
[client]
subjectAltName = IP:127.0.0.1,IP:::1
[byname]
subjectAltName = DNS:client.example
[faraway]
subjectAltName = IP:192.0.2.1
[req]
distinguished_name = dn
[dn]
EOF
touch index
echo 01 > serial
dates=(-startdate 20200101000000Z -enddate 21200101000000Z)
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2> /dev/null; }
request() { openssl req -config ca.cnf -new -utf8 -multivalue-rdn -key "$1.key" -subj "$2" -out "$1.csr"; }
root() { # name subject
  key "$1" && request "$1" "$2"
  openssl ca -config ca.cnf -batch -notext -preserveDN -selfsign -keyfile "$1.key" -in "$1.csr" -out "$1.crt" -extensions root \
    "${dates[@]}" 2> /dev/null
}
leaf() { # name subject extensions issuer
  key "$1" && request "$1" "$2"
  openssl ca -config ca.cnf -batch -notext -preserveDN -keyfile "$4.key" -cert "$4.crt" -in "$1.csr" -out "$1.crt" \
    -extensions "$3" "${dates[@]}" 2> /dev/null
}

root ca "/C=US/O=Acme/CN=test ca"
root other "/CN=other ca"
leaf server "/C=US/O=Acme/CN=localhost" server ca
leaf client "/C=US/O=Acme/CN=client one" client ca
leaf byname "/CN=by name" byname ca
leaf faraway "/C=US/O=Acme/CN=far away" faraway ca
leaf revoked "/C=US/O=Acme/CN=revoked" client ca
leaf stranger "/CN=stranger" client other
leaf names "/C=US/O=Acme \\\\, = #1; <x> \"y\"/OU=a+UID=b/DC=d/street=s/L=l/ST=st/emailAddress=a@b.c/title=t/CN= Jürgen 日本 " \
  client ca

openssl ca -config ca.cnf -keyfile ca.key -cert ca.crt -revoke revoked.crt 2> /dev/null
openssl ca -config ca.cnf -keyfile ca.key -cert ca.crt -gencrl -crl_lastupdate 20200101000000Z \
  -crl_nextupdate 21200101000000Z -out "$out/crl.pem" 2> /dev/null

cp ca.crt "$out/ca.pem"
cp other.crt "$out/other.pem"
cp names.crt "$out/names.pem"
for name in client byname faraway revoked stranger; do cat "$name.key" "$name.crt" > "$out/$name.pem"; done
cat ca.crt server.crt server.key > "$out/server.pem"
{ openssl pkcs8 -topk8 -v2 aes-256-cbc -in server.key -passout "pass:$pass"; cat server.crt; } > "$out/server-encrypted.pem"

export12() { openssl pkcs12 -export -passout "pass:$pass" "$@"; }
export12 -inkey server.key -in server.crt -certfile ca.crt -out "$out/server.p12"
export12 -inkey server.key -in server.crt -certfile ca.crt -legacy -out "$out/server-legacy.p12"
export12 -nokeys -in ca.crt -out "$out/trust-openssl.p12"
openssl pkcs12 -export -nokeys -nomac -keypbe NONE -certpbe NONE -passout pass: -in ca.crt -out "$out/trust-open.p12"

tool() { keytool "$@" -noprompt 2> /dev/null; }
import() { # file, more options: the server's key, then the ca as trusted
  tool -importkeystore -srckeystore "$out/server.p12" -srcstorepass "$pass" -destkeystore "$1" -deststorepass "$pass" "${@:2}"
}
trust() { tool -importcert -alias ca -file ca.crt -keystore "$1" -storepass "$pass" "${@:2}"; }
rm -f "$out"/server-java.p12 "$out"/trust-java.p12 "$out"/trust-java8.p12 "$out"/*.jks
import "$out/server-java.p12" -deststoretype PKCS12
trust "$out/server-java.p12"
trust "$out/trust-java.p12" -storetype PKCS12
trust "$out/trust-java8.p12" -storetype PKCS12 -J-Dkeystore.pkcs12.certProtectionAlgorithm=PBEWithSHA1AndRC2_40 \
  -J-Dkeystore.pkcs12.macAlgorithm=HmacPBESHA1 \
  -J-Dkeystore.pkcs12.macIterationCount=1024 -J-Dkeystore.pkcs12.certPbeIterationCount=1024
import "$out/server.jks" -deststoretype JKS
trust "$out/server.jks"
trust "$out/trust.jks" -storetype JKS
chmod 644 "$out"/*.p12
# A key with a password of its own, and an RSA key beside the EC one.
cp "$out/server.jks" "$out/server-own-password.jks"
alias=$(tool -list -keystore "$out/server.jks" -storepass "$pass" | sed -n 's/^\([^,]*\),.*PrivateKeyEntry.*/\1/p')
tool -keypasswd -alias "$alias" -keystore "$out/server-own-password.jks" -storepass "$pass" -keypass "$pass" -new different
cp "$out/server.jks" "$out/server-two-keys.jks"
tool -genkeypair -alias rsa -keyalg RSA -keysize 2048 -dname "CN=rsa" -startdate "2020/01/01 00:00:00" -validity 36500 \
  -keystore "$out/server-two-keys.jks" -storepass "$pass" -keypass "$pass"

cat > Names.java <<'EOF'
import java.io.FileInputStream;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
public class Names {
  public static void main(String[] args) throws Exception {
    var c = (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(new FileInputStream(args[0]));
    System.out.write((c.getSubjectX500Principal().getName() + "\n").getBytes("UTF-8"));
  }
}
EOF
java Names.java names.crt > "$out/names.java.txt"
