console.log("closed");
