module tandem.test/native_app

go 1.24
