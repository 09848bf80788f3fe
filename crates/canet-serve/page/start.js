// Everything is there; now it begins.

startTheme();
startStage();
startGestures();
startWipe();
startProbe();
startViews();
startClasses();
startFrame();
startSources();
startCamera();
startDownloads();
startKeys();
startModel();
