#!/usr/bin/env python3
"""A Kafka broker for a test, on the loopback, with data of its own: becomes the broker (execs java).

    broker.py FOLDER PORT CONTROLLER_PORT [SASL_PORT MTLS_PORT]
    broker.py --prepare         fetches what it needs, and ends

FOLDER keeps the data: started there again it goes on with them. Topics are made when they are asked for, with as many
partitions as TANDEM_TEST_KAFKA_PARTITIONS says, else one. With the last two ports it also speaks SASL over TLS
(user tandem, password "the password": PLAIN, SCRAM-SHA-256, SCRAM-SHA-512) and TLS with client certificates; the
certificates are in prepared(). The jars are Maven Central's, in the cache.
"""

import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import environments  # noqa: E402

CLUSTER = "dGFuZGVtLXRlc3RzLWthZg"
JAVA = ["java", "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Djava.awt.headless=true"]
CERTIFICATES = """
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=authority -keyout ca.key -out ca.pem
for name in broker client; do
  openssl req -new -newkey rsa:2048 -nodes -subj /CN=$name -keyout $name.key -out $name.csr
  printf 'subjectAltName=IP:127.0.0.1,DNS:localhost' > $name.ext
  openssl x509 -req -days 3650 -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile $name.ext -out $name.pem
done
"""


def properties(folder, port, controller, sasl=None, mtls=None):
    listeners = {"PLAIN": port, "CONTROLLER": controller, **({"SASL": sasl, "MTLS": mtls} if sasl else {})}
    lines = [(HERE / "server.properties").read_text(), f"log.dirs={folder}/data",
             f"num.partitions={os.environ.get('TANDEM_TEST_KAFKA_PARTITIONS', '1')}",
             f"controller.quorum.voters=1@127.0.0.1:{controller}",
             "listeners=" + ",".join(f"{name}://127.0.0.1:{at}" for name, at in listeners.items()),
             "advertised.listeners=" + ",".join(f"{name}://127.0.0.1:{at}" for name, at in listeners.items()
                                                if name != "CONTROLLER")]
    if sasl:
        at = prepared() / "certificates"
        one_line = {name: (at / name).read_text().replace("\n", "\\n") for name in ("broker.pem", "broker.key", "ca.pem")}
        lines += [f"ssl.keystore.certificate.chain={one_line['broker.pem']}", f"ssl.keystore.key={one_line['broker.key']}",
                  f"ssl.truststore.certificates={one_line['ca.pem']}"]
    path = Path(folder) / "server.properties"
    path.write_text("\n".join(lines) + "\n")
    return path


def build(folder):
    """The jars, an empty data folder that every broker begins with, and certificates."""
    environments.run(["mvn", "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=jars"],
                     folder)
    (folder / "certificates").mkdir()
    environments.run(["sh", "-ec", CERTIFICATES], folder / "certificates")
    config = folder / "format.properties"
    config.write_text((HERE / "server.properties").read_text() + f"log.dirs={folder}/data\n"
                      "controller.quorum.voters=1@127.0.0.1:1\n"
                      "listeners=PLAIN://127.0.0.1:2,CONTROLLER://127.0.0.1:1\n")
    users = [word for bits in ("256", "512")
             for word in ("--add-scram", f"SCRAM-SHA-{bits}=[name=tandem,password=the password]")]
    environments.run([*JAVA, "-cp", f"{folder}/jars/*", "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", config,
                      *users], folder)


def prepared():
    return environments.built("kafka", HERE, ["pom.xml", "server.properties", "broker.py"], build)


def main(folder, port, controller, *secure):
    at = prepared()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "data").exists():
        shutil.copytree(at / "data", folder / "data")
    config = properties(folder, port, controller, *secure)
    os.execvp("java", [*JAVA, "-cp", f"{at}/jars/*", "kafka.Kafka", str(config)])


if __name__ == "__main__":
    if sys.argv[1:] == ["--prepare"]:
        prepared()
    else:
        main(*sys.argv[1:])
